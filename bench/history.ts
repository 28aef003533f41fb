/** What the histories of runs say. */
import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';

/** One event of a history. */
export type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

const UNHANDLED_COMMAND =
  temporal.api.enums.v1.WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND;

/** The histories of the last run of a workflow, oldest execution first: one each time that it continued as new. */
export async function historiesOf(client: Client, workflowId: string): Promise<HistoryEvent[][]> {
  const histories: HistoryEvent[][] = [];
  let runId: string | undefined;
  do {
    const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
    histories.unshift(events ?? []);
    runId = events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId || undefined;
  } while (runId !== undefined);
  return histories;
}

/** When an event happened, milliseconds since the epoch. */
export function timeOf({ eventTime }: HistoryEvent): number {
  return Number(eventTime?.seconds ?? 0) * 1000 + (eventTime?.nanos ?? 0) / 1e6;
}

/** How long each workflow task took from its start to its end, milliseconds; those that failed or timed out too. */
export function workflowTasks(history: readonly HistoryEvent[]): number[] {
  let startedAt = NaN;
  return history.flatMap((event) => {
    if (event.workflowTaskStartedEventAttributes) startedAt = timeOf(event);
    const ended =
      event.workflowTaskCompletedEventAttributes ??
      event.workflowTaskFailedEventAttributes ??
      event.workflowTaskTimedOutEventAttributes;
    return ended ? [timeOf(event) - startedAt] : [];
  });
}

/** A workflow task that was lost or broken off; one that met a signal while it closed the run is no fault. */
export function brokenOff({
  workflowTaskFailedEventAttributes: failed,
  workflowTaskTimedOutEventAttributes: timedOut,
}: HistoryEvent): boolean {
  return Boolean(timedOut) || (Boolean(failed) && failed?.cause !== UNHANDLED_COMMAND);
}
