/** Reads from Temporal who ended a run that left no outcome. */
import { status as grpcStatus } from '@grpc/grpc-js';
import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { runEnding } from './run-events';
import type { RunEnding } from './run-state';
import { isStatus } from './server-calls';

/** The history is asked for its last event alone. */
const CLOSE_EVENT = temporal.api.enums.v1.HistoryEventFilterType.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT;

/** Who ended a closed execution, and why; undefined: its history does not say, or is gone. No billable action. */
export async function readRunEnding(
  client: Client,
  workflowId: string,
  runId: string,
): Promise<RunEnding | undefined> {
  try {
    return runEnding(
      await client.workflowService.getWorkflowExecutionHistory({
        namespace: client.options.namespace,
        execution: { workflowId, runId },
        historyEventFilterType: CLOSE_EVENT,
        skipArchival: true,
      }),
    );
  } catch (error: unknown) {
    if (isStatus(error, grpcStatus.NOT_FOUND)) return undefined;
    throw error;
  }
}
