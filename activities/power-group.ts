/**
 * Asks a nested group's workflow for its power state and waits for the outcome of its run.
 *
 * POWER-GROUP-1: an attempt that takes over from a lost one waits for the run that was asked, and asks no other one.
 * POWER-GROUP-2: an outcome counts only if it is of the plan that was sent: a run may end with another plan.
 * POWER-GROUP-3: where the caller can wait without this activity, the wait ends after {@link GROUP_WAIT}. By then the nested run is
 *     subscribed to notify the caller of its end, and was seen to be open after that: no end is missed. Attempts that follow on lost ones
 *     share that time. The server may be killed in the middle of it.
 * POWER-GROUP-4: what keeps an attempt from reading the outcome is shown as what it waits for: it may last until a person acts, as a missing key.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { status as grpcStatus } from '@grpc/grpc-js';
import { ApplicationFailure, Context } from '@temporalio/activity';
import {
  isGrpcServiceError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  type Client,
} from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import * as v from 'valibot';
import { PlatformError } from '../platforms';
import {
  applyPlan,
  notifyOnEnd,
  startOptions,
  workflowId,
  WORKFLOW_TYPE,
  type EndSubscription,
  type Plan,
  type RunOutcome,
  type GiveUpDetails,
  type PowerGroupInput,
  type PowerGroupResult,
} from '../contract';
import { inAttempts, type AttemptRun } from './attempts';
import { isRunOpen } from './ended-groups';
import { classify } from './failures';
import { milliseconds } from './heartbeat';
import type { ActivityDependencies } from './power';

type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

const CLOSE_EVENT = temporal.api.enums.v1.HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT;

/** What an attempt hands to the next. */
interface PowerGroupProgress {
  /** The run that was asked; absent: none is waited for. */
  runId?: string;
  /** When it was, milliseconds since the epoch. */
  askedAt?: number;
}

/** {@link PowerGroupProgress} as it is read from a heartbeat. */
const groupProgress: v.GenericSchema<unknown, PowerGroupProgress> = v.object({
  runId: v.exactOptional(v.pipe(v.string(), v.maxLength(100))),
  askedAt: v.exactOptional(milliseconds),
});

/** Milliseconds between two tries to reach the server while a run is waited for. */
const SERVER_PAUSE = 1_000;
/** Milliseconds in which the server has to answer a call. */
const CALL_TIMEOUT = 10_000;
/** Milliseconds in which the server answers a wait for an event: it does so after 20 s. */
const LONG_POLL = 30_000;
/** Milliseconds of one wait for a result; the next one follows. */
const ROUND = 60_000;
/** Milliseconds that the activity waits for a nested run if the caller can wait without it. Each minute costs some 30 heartbeats. */
export const GROUP_WAIT = 60_000;

/** The activities `powerGroup` and `awaitGroup`. */
export async function powerGroup(
  { client: given, groupWait = GROUP_WAIT }: ActivityDependencies,
  input: PowerGroupInput,
): Promise<PowerGroupResult> {
  const { operation, plan, retry, earlier, runId } = input;
  const result = await inAttempts<PowerGroupProgress, PowerGroupResult>(
    {
      purpose: `group ${plan.namespace}/${plan.name}`,
      retry,
      earlier,
      first: runId === undefined ? {} : { runId },
      progress: groupProgress,
      // Every failure but a lost connection, which is waited out, is the end of the run that was asked.
      next: () => ({}),
      client: given,
    },
    async (run) => {
      const client = given ?? Context.current().client;
      const asked = run.progress.runId ?? (await askGroup(client, input));
      if (run.progress.askedAt === undefined) run.note({ runId: asked, askedAt: Date.now() });
      const found = await outcomeOrWaiting(client, input, asked, run, groupWait);
      if ('outcome' in found) refuseOther(plan, found.outcome);
      return { ...(operation !== undefined && { operation }), ...found, failures: run.failures };
    },
  );
  if (!('outcome' in result)) return result;
  const { outcome, message } = result.outcome;
  if (outcome === 'Converged' || outcome === 'ConvergedWithExceptions') return result;
  const details: [GiveUpDetails] = [{ failures: result.failures }];
  throw ApplicationFailure.create({
    message: `group ${plan.namespace}/${plan.name}: ${message}`,
    type: `Group${outcome}`,
    nonRetryable: true,
    details,
  });
}

/** Gives the group its plan, which starts a run where none is open; resolves with the id of the run that has it. */
async function askGroup(client: Client, { plan, sequence }: PowerGroupInput): Promise<string> {
  const { taskQueue } = Context.current().info;
  const handle = await client.withDeadline(Date.now() + CALL_TIMEOUT, () =>
    client.workflow.signalWithStart(WORKFLOW_TYPE, {
      ...startOptions(plan, taskQueue),
      args: [{ namespace: plan.namespace, name: plan.name }],
      signal: applyPlan,
      signalArgs: [{ plan, cause: 'Parent', placed: true, ...(sequence !== undefined && { sequence }) }],
    }),
  );
  return handle.signaledRunId;
}

/** What the wait for a nested run came to. */
type Waited = { outcome: RunOutcome } | { waiting: { runId: string } };

/** Waits for the end of the run, for a limited time if the caller can go on without; a server that is away is waited for. */
async function outcomeOrWaiting(
  client: Client,
  { plan, member, caller }: PowerGroupInput,
  runId: string,
  run: AttemptRun<PowerGroupProgress>,
  groupWait: number,
): Promise<Waited> {
  const id = workflowId(plan.namespace, plan.name);
  let waits = member !== undefined;
  for (;;) {
    try {
      const limit = waits ? leftOf(groupWait, run.progress.askedAt) : ROUND;
      const outcome = limit > 0 ? await outcomeBy(Date.now() + limit, client, id, runId) : undefined;
      run.waitFor(undefined);
      if (outcome) return { outcome };
      if (member === undefined) continue;
      if (await subscribe(client, id, { workflowId: caller, member, runId })) return { waiting: { runId } };
      // It has ended: its outcome is there.
      waits = false;
    } catch (error: unknown) {
      if (run.signal.aborted) throw error;
      if (isEndOfRun(error)) throw runLost(error);
      run.waitFor(`cannot read how its run stands, retrying: ${classify(error).message}`);
      await Context.current().sleep(SERVER_PAUSE);
    }
  }
}

/** The rest of a time that began at `since`, milliseconds; another machine's clock may have said when that was. */
function leftOf(time: number, since = Date.now()): number {
  return Math.min(time, Math.max(0, since + time - Date.now()));
}

/** The outcome of a run, also where it continues as new; undefined if it is open at a time, milliseconds since the epoch. */
async function outcomeBy(
  time: number,
  client: Client,
  id: string,
  runId: string,
): Promise<RunOutcome | undefined> {
  for (let last = runId; ;) {
    const end = await endBy(time, client, { workflowId: id, runId: last });
    if (!end) return undefined;
    const next = end.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
    if (!next) {
      const result = (): Promise<unknown> => client.workflow.getHandle(id, last).result();
      return client.withDeadline(Date.now() + CALL_TIMEOUT, result) as Promise<RunOutcome>;
    }
    last = next;
  }
}

/**
 * The event that ended an execution; undefined if it is open at a time.
 *
 * The client's own wait for a result does not fit: once it has retried a call, no signal ends it, and in the last second of a deadline the
 * server answers at once, so that it calls hundreds of times.
 */
async function endBy(
  time: number,
  client: Client,
  execution: { workflowId: string; runId: string },
): Promise<HistoryEvent | undefined> {
  const { namespace } = client.options;
  const wait = new AbortController();
  const over = sleep(Math.max(0, time - Date.now()), undefined, { signal: wait.signal });
  over.catch(() => undefined);
  const request = {
    namespace,
    execution,
    waitNewEvent: true,
    historyEventFilterType: CLOSE_EVENT,
    skipArchival: true,
  };
  const { workflowService } = client;
  try {
    for (;;) {
      const answer = client.withDeadline(Date.now() + LONG_POLL, () =>
        client.withAbortSignal(wait.signal, () => workflowService.getWorkflowExecutionHistory(request)),
      );
      const found = await Promise.race([answer, over, Context.current().cancelled]);
      if (!found) return undefined;
      const end = found.history?.events?.at(-1);
      if (end) return end;
    }
  } catch (error: unknown) {
    if (isGrpcServiceError(error) && error.code === grpcStatus.NOT_FOUND)
      throw new WorkflowNotFoundError(error.message, execution.workflowId, execution.runId);
    throw error;
  } finally {
    // No call is left on a connection that is about to be closed.
    wait.abort();
  }
}

/** Whether the run has ended without a result. */
function isEndOfRun(error: unknown): error is WorkflowFailedError | WorkflowNotFoundError {
  return error instanceof WorkflowFailedError || error instanceof WorkflowNotFoundError;
}

/** Asks the run to notify the caller of its end; false if it has ended meanwhile. POWER-GROUP-3. */
function subscribe(client: Client, id: string, subscription: EndSubscription): Promise<boolean> {
  return client.withDeadline(Date.now() + CALL_TIMEOUT, async () => {
    try {
      // The run may have continued as new, so the signal goes to the open execution; it counts if that is seen to be of the same run after it.
      await client.workflow.getHandle(id).signal(notifyOnEnd, subscription);
    } catch (error: unknown) {
      if (error instanceof WorkflowNotFoundError) return false;
      throw error;
    }
    return isRunOpen(client, id, subscription.runId);
  });
}

/** POWER-GROUP-2. The next attempt asks again; a plan that is older than the group's own is refused until its parent has the newer one. */
function refuseOther(plan: Plan, outcome: RunOutcome): void {
  const { powerState, lineage, revision } = outcome;
  if (powerState === plan.powerState && lineage === plan.lineage && revision === plan.revision) return;
  if (outcome.outcome === 'Cancelled') return;
  throw new PlatformError(
    'Transient',
    `its run ended ${outcome.outcome} with another plan (revision ${revision}, ${powerState}) than the requested one (revision ${plan.revision}, ${plan.powerState})`,
  );
}

/** A run ends with an outcome of its own, unless it is ended from outside. */
function runLost(error: Error): PlatformError {
  const cause = error.cause instanceof Error ? `: ${error.cause.message}` : '';
  return new PlatformError(
    'Transient',
    `its run ended without an outcome: ${error.message}${cause}`,
    undefined,
    {
      cause: error,
    },
  );
}
