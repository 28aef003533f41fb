/** The calls about the runs of groups, on a real server. */
import { status as grpcStatus } from '@grpc/grpc-js';
import {
  WorkflowFailedError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type Client,
  type WorkflowHandle,
} from '@temporalio/client';
import type { ObjectName } from '../../api';
import {
  activityPaused,
  applyPlan,
  CLEAN_UP_TYPE,
  groupEnded,
  progress,
  startOptions,
  withdraw,
  workflowId,
  WORKFLOW_TYPE,
  type CleanUp,
  type CleanUpStart,
  type GroupEnded,
  type PauseReport,
  type PlanMessage,
  type Progress,
  type RunOutcome,
  type RunStart,
} from '../../contract';
import { abortable, isStatus, NoAnswer, unlessMissing } from './server-calls';
import type { RunHealth } from '../../insight';
import { readRunHealth } from './read-run-health';
import { readRunEnding } from './read-run-ending';
import { runEvents, type History } from './run-events';
import type { RunEnding } from './run-state';
import { TaskQueuePollers } from './task-queues';
import type { DescribedRun, RunEvents, TemporalRuns } from './temporal-runs';
import { readWaits } from './waits';

/** Longest duration of one call, milliseconds. */
const CALL_TIMEOUT = 5_000;
/** Longest duration of a query; without a worker each takes this long. */
const QUERY_TIMEOUT = 3_000;
/** Longest duration of one wait for events; the server ends it much earlier. */
const EVENTS_TIMEOUT = 90_000;
/** Temporal's own query, which every workflow answers. */
const METADATA_QUERY = '__temporal_workflow_metadata';

/** The calls on a real server. `taskQueue`: where runs are started; `temporalFlags`: see {@link RunHealth}. */
export function temporalRuns(client: Client, taskQueue: string, temporalFlags?: string): TemporalRuns {
  return new ServerRuns(client, taskQueue, temporalFlags);
}

class ServerRuns implements TemporalRuns {
  readonly #client: Client;
  readonly #taskQueue: string;
  readonly #pollers: TaskQueuePollers;

  readonly #flags: Pick<RunHealth, 'temporalFlags'>;

  constructor(client: Client, taskQueue: string, temporalFlags: string | undefined) {
    this.#flags = temporalFlags === undefined ? {} : { temporalFlags };
    this.#client = client;
    this.#taskQueue = taskQueue;
    this.#pollers = new TaskQueuePollers(client);
  }

  async ping(): Promise<void> {
    await this.#within(CALL_TIMEOUT, () => this.#client.workflowService.getSystemInfo({}));
  }

  describe(group: ObjectName): Promise<DescribedRun | undefined> {
    const read = async (): Promise<DescribedRun> => {
      const run = await describedRun(this.#client, await this.#handle(group).describe(), this.#pollers);
      return { ...run, health: { ...run.health, ...this.#flags } };
    };
    return unlessMissing(() => this.#within(CALL_TIMEOUT, read));
  }

  async outcome({ namespace, name }: ObjectName, runId: string): Promise<RunOutcome | undefined> {
    const id = workflowId(namespace, name);
    const handle = this.#client.workflow.getHandle(id, runId, { followRuns: false });
    try {
      return (await this.#within(CALL_TIMEOUT, () => handle.result())) as RunOutcome;
    } catch (error: unknown) {
      if (error instanceof WorkflowFailedError || error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  }

  ending({ namespace, name }: ObjectName, runId: string): Promise<RunEnding | undefined> {
    const id = workflowId(namespace, name);
    return this.#within(CALL_TIMEOUT, () => readRunEnding(this.#client, id, runId));
  }

  async events(
    { namespace, name }: ObjectName,
    runId: string,
    from: Uint8Array | undefined,
    signal: AbortSignal,
  ): Promise<RunEvents | undefined> {
    const request = {
      namespace: this.#client.options.namespace,
      execution: { workflowId: workflowId(namespace, name), runId },
      waitNewEvent: true,
      skipArchival: true,
      ...(from && { nextPageToken: from }),
    };
    const read = (own: AbortSignal): Promise<History> =>
      this.#client.withAbortSignal(own, () =>
        this.#client.workflowService.getWorkflowExecutionHistory(request),
      );
    try {
      return runEvents(await abortable(signal, EVENTS_TIMEOUT, read));
    } catch (error: unknown) {
      if (isStatus(error, grpcStatus.NOT_FOUND)) return undefined;
      // The place to continue from is no longer valid.
      if (from && isStatus(error, grpcStatus.INVALID_ARGUMENT))
        return { count: 1, changed: true, troubled: false };
      if (error instanceof NoAnswer && !signal.aborted) {
        return { count: 0, changed: false, troubled: false, ...(from && { next: from }) };
      }
      throw error;
    }
  }

  progress(group: ObjectName, signal: AbortSignal): Promise<Progress> {
    return this.#query(signal, () => this.#handle(group).query(progress));
  }

  async probe(group: ObjectName, signal: AbortSignal): Promise<void> {
    await this.#query(signal, () => this.#handle(group).query(METADATA_QUERY));
  }

  async send(message: PlanMessage): Promise<string> {
    const { plan } = message;
    const handle = await this.#within(CALL_TIMEOUT, () =>
      this.#client.workflow.signalWithStart(WORKFLOW_TYPE, {
        ...startOptions(plan, this.#taskQueue),
        args: [{ namespace: plan.namespace, name: plan.name } satisfies RunStart],
        signal: applyPlan,
        signalArgs: [message],
      }),
    );
    return handle.signaledRunId;
  }

  async cleanUp(input: CleanUp): Promise<string | undefined> {
    const { plan } = input;
    const start = (): Promise<{ firstExecutionRunId: string }> =>
      this.#client.workflow.start(CLEAN_UP_TYPE, {
        ...startOptions(plan, this.#taskQueue),
        // A run that was opened since has the current desired state.
        workflowIdConflictPolicy: 'FAIL',
        args: [{ namespace: plan.namespace, name: plan.name, cleanUp: input } satisfies CleanUpStart],
      });
    try {
      const { firstExecutionRunId } = await this.#within(CALL_TIMEOUT, start);
      return firstExecutionRunId;
    } catch (error: unknown) {
      if (error instanceof WorkflowExecutionAlreadyStartedError) return undefined;
      throw error;
    }
  }

  async withdraw(group: ObjectName, reason: string): Promise<void> {
    const send = (): Promise<void> => this.#handle(group).signal(withdraw, { reason });
    await unlessMissing(() => this.#within(CALL_TIMEOUT, send));
  }

  async reportPause(group: ObjectName, report: PauseReport): Promise<void> {
    const send = (): Promise<void> => this.#handle(group).signal(activityPaused, report);
    await unlessMissing(() => this.#within(CALL_TIMEOUT, send));
  }

  async reportEnd(group: ObjectName, { member, runId }: GroupEnded): Promise<void> {
    const send = (): Promise<void> => this.#handle(group).signal(groupEnded, { member, runId });
    await unlessMissing(() => this.#within(CALL_TIMEOUT, send));
  }

  #handle({ namespace, name }: ObjectName): WorkflowHandle {
    return this.#client.workflow.getHandle(workflowId(namespace, name));
  }

  #within<T>(timeout: number, call: () => Promise<T>): Promise<T> {
    return this.#client.withDeadline(Date.now() + timeout, call);
  }

  #query<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    return abortable(signal, QUERY_TIMEOUT, (own) =>
      this.#within(QUERY_TIMEOUT, () => this.#client.withAbortSignal(own, call)),
    );
  }
}

type Described = Awaited<ReturnType<WorkflowHandle['describe']>>;

const OPEN: ReadonlySet<string> = new Set(['RUNNING', 'PAUSED', 'CONTINUED_AS_NEW']);

async function describedRun(
  client: Client,
  described: Described,
  pollers: TaskQueuePollers,
): Promise<DescribedRun> {
  const { runId, status, startTime, closeTime, raw } = described;
  const open = OPEN.has(status.name);
  return {
    runId,
    firstRunId: raw.workflowExecutionInfo?.firstRunId || runId,
    open,
    status: status.name,
    startedAt: startTime.getTime(),
    ...(closeTime && { closedAt: closeTime.getTime() }),
    ...(described.type === CLEAN_UP_TYPE && { isCleanUp: true as const }),
    pendingActivities: raw.pendingActivities?.length ?? 0,
    health: open ? await readRunHealth(client, described, pollers) : { paused: [] },
    waits: open ? await readWaits(client, raw) : {},
  };
}
