/** What the recorder asks of Temporal. None of it is a billable action. */
import { status as grpcStatus } from '@grpc/grpc-js';
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { temporal } from '@temporalio/proto';
import { OPEN_QUERY, RUNS_QUERY } from '../../contract';
import { activityOptions, type ActivityOptions, type Described } from './server-facts';
import type { ExecutionName } from '../derive';

/** An execution as visibility lists it. Times in milliseconds since the epoch. */
export interface ListedExecution extends ExecutionName {
  startedAt: number;
  /** Absent: it is open. */
  closedAt?: number;
}

/** What the server still has of an execution. */
export interface FoundExecution {
  /** Temporal's status: `RUNNING`, `COMPLETED`, `TERMINATED`, ... */
  status: string;
  /** Of its open activities. */
  options: ActivityOptions;
}

/** The calls. Each rejects if the server does not answer within {@link CALL_TIMEOUT}; a list takes one call a page. */
export interface TemporalHistories {
  /** All executions of groups that are open, or that were closed since a time. Without a time, paused ones are listed as closed too. */
  open(): AsyncIterable<ListedExecution>;
  closedSince(at: number | undefined): AsyncIterable<ListedExecution>;
  /** Undefined: the server no longer has it. */
  describe(execution: ExecutionName): Promise<FoundExecution | undefined>;
  /**
   * In the JSON form of Temporal's tools; undefined: the server no longer has it. Rejects with {@link UndecodedHistoryError} if the
   * server has it, but it cannot be decoded.
   */
  history(execution: ExecutionName): Promise<string | undefined>;
  /** Milliseconds for which the server keeps closed executions. */
  retention(): Promise<number>;
}

/** Thrown if a history cannot be decoded: a key is missing and may be added, or a payload is forged (RECORDER-5). */
export class UndecodedHistoryError extends Error {
  override readonly name = 'UndecodedHistoryError';
  constructor({ workflowId, runId }: ExecutionName, options: ErrorOptions) {
    super(`the history of ${workflowId}/${runId} cannot be decoded`, options);
  }
}

/** Milliseconds that one call may take. */
const CALL_TIMEOUT = 30_000;
/** Default retention of a namespace, where the server names none, milliseconds. */
const DEFAULT_RETENTION = 3 * 86_400_000;

/** A history as the server returns it. */
type History = temporal.api.history.v1.IHistory;

/**
 * The calls on a real server.
 *
 * @param decode makes encrypted payloads of a history readable; left out: they are not encrypted.
 */
export function temporalHistories(
  client: Client,
  decode: (history: History) => Promise<History> = async (history) => history,
): TemporalHistories {
  const { namespace } = client.options;
  const call = <T>(make: () => Promise<T>): Promise<T> =>
    client.withDeadline(Date.now() + CALL_TIMEOUT, make);
  async function* listed(query: string): AsyncIterable<ListedExecution> {
    const executions = client.workflow.list({ query, pageSize: 1_000 })[Symbol.asyncIterator]();
    for (;;) {
      // It may be the first one of a page.
      const next = await call(() => executions.next());
      if (next.done) return;
      yield listedOf(next.value);
    }
  }
  return {
    open: () => listed(`${RUNS_QUERY} AND ${OPEN_QUERY}`),
    closedSince: (at) => {
      const since = at === undefined ? '' : ` AND CloseTime >= '${new Date(at).toISOString()}'`;
      return listed(`${RUNS_QUERY} AND ExecutionStatus != 'Running'${since}`);
    },
    describe: ({ workflowId, runId }) =>
      unlessGone(async () => {
        const execution = { workflowId, runId };
        const raw = await call(() =>
          client.workflowService.describeWorkflowExecution({ namespace, execution }),
        );
        return { status: statusOf(raw), options: activityOptions(raw) };
      }),
    history: async ({ workflowId, runId }) => {
      const raw = await unlessGone(() =>
        call(() => client.workflow.getHandle(workflowId, runId).fetchHistory()),
      );
      try {
        return raw && historyToJSON(await decode(raw));
      } catch (error: unknown) {
        throw new UndecodedHistoryError({ workflowId, runId }, { cause: error });
      }
    },
    retention: async () => {
      const { config } = await call(() => client.workflowService.describeNamespace({ namespace }));
      const seconds = Number(config?.workflowExecutionRetentionTtl?.seconds?.toString() ?? 0);
      return seconds > 0 ? seconds * 1000 : DEFAULT_RETENTION;
    },
  };
}

function listedOf({ workflowId, runId, startTime, closeTime }: WorkflowExecutionInfo): ListedExecution {
  return {
    workflowId,
    runId,
    startedAt: startTime.getTime(),
    ...(closeTime && { closedAt: closeTime.getTime() }),
  };
}

function statusOf({ workflowExecutionInfo }: Described): string {
  const status = workflowExecutionInfo?.status ?? 0;
  const name = temporal.api.enums.v1.WorkflowExecutionStatus[status] ?? 'UNSPECIFIED';
  return name.replace('WORKFLOW_EXECUTION_STATUS_', '');
}

async function unlessGone<T>(make: () => Promise<T>): Promise<T | undefined> {
  try {
    return await make();
  } catch (error: unknown) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const isGone =
      (cause instanceof Error && 'code' in cause && cause.code === grpcStatus.NOT_FOUND) ||
      (error instanceof Error && error.name === 'WorkflowNotFoundError');
    if (isGone) return undefined;
    throw error;
  }
}
