/**
 * The calls to Temporal about the runs of groups, so that their callers can be tested without a server.
 *
 * A call that finds nothing resolves to `undefined` or does nothing; it rejects only if the server does not answer or refuses.
 */
import {
  type Client,
  WorkflowFailedError,
  type WorkflowHandle,
  WorkflowNotFoundError,
} from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import type { ObjectName } from '../../api';
import {
  activityPaused,
  applyPlan,
  progress as progressQuery,
  startOptions,
  withdraw as withdrawSignal,
  workflowId,
  WORKFLOW_TYPE,
  type PauseReport,
  type PlanMessage,
  type Progress,
  type RunOutcome,
  type RunStart,
} from '../../contract';
import { readRunHealth } from './read-run-health';
import type { RunHealth } from './run-health';

/** The latest execution of a group's workflow, as `DescribeWorkflowExecution` has it: no billable action. Times in milliseconds. */
export interface DescribedRun {
  runId: string;
  /** The same for all executions that continued as new from one another. */
  firstRunId: string;
  open: boolean;
  /** Temporal's status: `RUNNING`, `COMPLETED`, `TERMINATED`, ... */
  status: string;
  startedAt: number;
  closedAt?: number;
  pendingActivities: number;
  /** What is wrong with an open run that it cannot report itself. */
  health: RunHealth;
}

/** New events of one execution. */
export interface RunEvents {
  count: number;
  /** The token to go on with; absent after the last event, and if everything has to be read again. */
  next?: Uint8Array;
  /** A workflow task was completed: what the run answers may have changed. */
  changed: boolean;
  /** A workflow task failed or timed out, and none was completed after it. */
  troubled: boolean;
  /** The execution is over; `continuedAs` is the one that goes on with it. */
  closed?: { continuedAs?: string };
}

/** The calls. */
export interface TemporalRuns {
  /** Resolves if the server answers; no billable action. */
  ping(): Promise<void>;
  /** The latest execution of the group's workflow; undefined: the server knows of none. */
  describe(group: ObjectName): Promise<DescribedRun | undefined>;
  /** The outcome of a completed execution; undefined: it has none. */
  outcome(group: ObjectName, runId: string): Promise<RunOutcome | undefined>;
  /** Waits for events after `from` (left out: from the first one), for as long as the server likes; undefined: there is no such execution. */
  events(
    group: ObjectName,
    runId: string,
    from: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<RunEvents | undefined>;
  /** Queries the progress of the open run: a billable action. Rejects too if no worker answers. */
  progress(group: ObjectName, signal: AbortSignal): Promise<Progress>;
  /** Resolves if a worker answers for the run; no billable action. */
  probe(group: ObjectName, signal: AbortSignal): Promise<void>;
  /** Starts or signals the run of the plan's group; resolves to the id of the execution that has the message. */
  send(message: PlanMessage): Promise<string>;
  /** Tells the open run that its group was deleted or has no power state any more. */
  withdraw(group: ObjectName, reason: string): Promise<void>;
  /** Tells the open run that one of its activities was paused or unpaused. */
  reportPause(group: ObjectName, report: PauseReport): Promise<void>;
}

/** Longest duration of one call, milliseconds. */
const CALL_TIMEOUT = 5_000;
/** Longest duration of a query; without a worker each takes this long. */
const QUERY_TIMEOUT = 3_000;
/** Longest duration of one wait for events; the server ends it much earlier. */
const EVENTS_TIMEOUT = 90_000;
/** Temporal's own query, which every workflow answers. */
const METADATA_QUERY = '__temporal_workflow_metadata';

/** The calls on a real server. */
export function temporalRuns(client: Client, taskQueue: string): TemporalRuns {
  const handleOf = (group: ObjectName, runId?: string): WorkflowHandle =>
    client.workflow.getHandle(workflowId(group.namespace, group.name), runId);
  const within = <T>(timeout: number, make: () => Promise<T>): Promise<T> =>
    client.withDeadline(Date.now() + timeout, make);

  return {
    ping: async () => {
      await within(CALL_TIMEOUT, () => client.workflowService.getSystemInfo({}));
    },

    describe: (group) =>
      unlessMissing(() =>
        within(CALL_TIMEOUT, async () => describedRun(client, await handleOf(group).describe())),
      ),

    outcome: async (group, runId) => {
      try {
        const handle = client.workflow.getHandle(workflowId(group.namespace, group.name), runId, {
          followRuns: false,
        });
        return (await within(CALL_TIMEOUT, () => handle.result())) as RunOutcome;
      } catch (error: unknown) {
        if (error instanceof WorkflowFailedError || error instanceof WorkflowNotFoundError) return undefined;
        throw error;
      }
    },

    events: async (group, runId, from, signal) => {
      const request = {
        namespace: client.options.namespace,
        execution: { workflowId: workflowId(group.namespace, group.name), runId },
        waitNewEvent: true,
        skipArchival: true,
        ...(from && { nextPageToken: from }),
      };
      try {
        const make = (own: AbortSignal): Promise<History> =>
          client.withAbortSignal(own, () => client.workflowService.getWorkflowExecutionHistory(request));
        return runEvents(await abortable(signal, EVENTS_TIMEOUT, make));
      } catch (error: unknown) {
        if (isStatus(error, NOT_FOUND)) return undefined;
        if (from && isStatus(error, INVALID_ARGUMENT)) return { count: 1, changed: true, troubled: false };
        if (error instanceof NoAnswer && !signal.aborted) {
          return { count: 0, changed: false, troubled: false, ...(from && { next: from }) };
        }
        throw error;
      }
    },

    progress: (group, signal) =>
      abortable(signal, QUERY_TIMEOUT, (own) =>
        within(QUERY_TIMEOUT, () => client.withAbortSignal(own, () => handleOf(group).query(progressQuery))),
      ),

    probe: async (group, signal) => {
      await abortable(signal, QUERY_TIMEOUT, (own) =>
        within(QUERY_TIMEOUT, () => client.withAbortSignal(own, () => handleOf(group).query(METADATA_QUERY))),
      );
    },

    send: async (message) => {
      const { plan } = message;
      const handle = await within(CALL_TIMEOUT, () =>
        client.workflow.signalWithStart(WORKFLOW_TYPE, {
          ...startOptions(plan, taskQueue),
          args: [{ namespace: plan.namespace, name: plan.name } satisfies RunStart],
          signal: applyPlan,
          signalArgs: [message],
        }),
      );
      return handle.signaledRunId;
    },

    withdraw: async (group, reason) => {
      await unlessMissing(() =>
        within(CALL_TIMEOUT, () => handleOf(group).signal(withdrawSignal, { reason })),
      );
    },

    reportPause: async (group, report) => {
      await unlessMissing(() => within(CALL_TIMEOUT, () => handleOf(group).signal(activityPaused, report)));
    },
  };
}

/** Resolves to undefined for a workflow that the server does not know, or that has ended. */
async function unlessMissing<T>(make: () => Promise<T>): Promise<T | undefined> {
  try {
    return await make();
  } catch (error: unknown) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** Codes of gRPC: there is no such execution; the place to go on from is not valid any more. */
const NOT_FOUND = 5;
const INVALID_ARGUMENT = 3;

function isStatus(error: unknown, code: number): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

/** Codes of gRPC for a call that no server has answered: cancelled, deadline exceeded, unavailable. */
const UNANSWERED: ReadonlySet<unknown> = new Set([1, 4, 14]);

/** Whether a call failed because no server answered it; one that refuses it does. */
export function isUnanswered(error: unknown): boolean {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return !(cause instanceof Error && 'code' in cause) || UNANSWERED.has(cause.code);
}

/** Thrown if a call was not answered in time. */
class NoAnswer extends Error {
  override readonly name = 'NoAnswer';
}

type Described = Awaited<ReturnType<WorkflowHandle['describe']>>;

const OPEN: ReadonlySet<string> = new Set(['RUNNING', 'PAUSED', 'CONTINUED_AS_NEW']);

async function describedRun(client: Client, described: Described): Promise<DescribedRun> {
  const { runId, status, startTime, closeTime, raw } = described;
  const open = OPEN.has(status.name);
  return {
    runId,
    firstRunId: raw.workflowExecutionInfo?.firstRunId || runId,
    open,
    status: status.name,
    startedAt: startTime.getTime(),
    ...(closeTime && { closedAt: closeTime.getTime() }),
    pendingActivities: raw.pendingActivities?.length ?? 0,
    health: open ? await readRunHealth(client, described) : { paused: [] },
  };
}

type History = temporal.api.workflowservice.v1.IGetWorkflowExecutionHistoryResponse;

/** What a page of a history reports. */
export function runEvents({ history, nextPageToken }: History): RunEvents {
  const found: RunEvents = { count: history?.events?.length ?? 0, changed: false, troubled: false };
  for (const event of history?.events ?? []) {
    if (event.workflowTaskCompletedEventAttributes) {
      found.changed = true;
      found.troubled = false;
    }
    if (event.workflowTaskFailedEventAttributes ?? event.workflowTaskTimedOutEventAttributes)
      found.troubled = true;
    const closed = closedBy(event);
    if (closed) found.closed = closed;
  }
  if (nextPageToken && nextPageToken.length > 0) found.next = nextPageToken;
  return found;
}

function closedBy(event: temporal.api.history.v1.IHistoryEvent): RunEvents['closed'] {
  const continued = event.workflowExecutionContinuedAsNewEventAttributes;
  if (continued) return { ...(continued.newExecutionRunId && { continuedAs: continued.newExecutionRunId }) };
  const closed =
    event.workflowExecutionCompletedEventAttributes ??
    event.workflowExecutionFailedEventAttributes ??
    event.workflowExecutionCanceledEventAttributes ??
    event.workflowExecutionTerminatedEventAttributes ??
    event.workflowExecutionTimedOutEventAttributes;
  return closed ? {} : undefined;
}

/**
 * Makes a call under its own signal, which aborts with `signal` and after `longest` milliseconds; rejects then. Temporal's client never removes
 * its listeners from a signal, and each keeps its call in memory, so no signal may live longer than a few calls. `AbortSignal.any` does not
 * help: Node keeps its result for as long as it has listeners.
 */
async function abortable<T>(
  signal: AbortSignal,
  longest: number,
  make: (own: AbortSignal) => Promise<T>,
): Promise<T> {
  const own = new AbortController();
  const abort = (): void => own.abort();
  // Raced too: a call that the client retries after an outage ignores its signal.
  const aborted = new Promise<never>((_, reject) => {
    own.signal.addEventListener('abort', () => reject(new NoAnswer(`no answer within ${longest / 1000} s`)), {
      once: true,
    });
  });
  const timer = setTimeout(abort, longest);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    return await Promise.race([make(own.signal), aborted]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}
