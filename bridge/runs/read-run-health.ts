/** Asks Temporal for the health of a run. */
import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import type { RunHealth } from '../../insight';
import { isTaskFailing, runHealth } from './run-health';
import type { TaskQueuePollers } from './task-queues';

/** Events at the end of a history among which the failure of the last workflow task is. */
const LAST_EVENTS = 10;

/**
 * The health of a run that was described. Costs one more call where its workflow task fails, and at times one where it waits for a worker of a
 * platform; none otherwise.
 *
 * @throws ServiceError if the server does not answer that call.
 */
export async function readRunHealth(
  client: Client,
  { raw, workflowId, runId }: Pick<WorkflowExecutionDescription, 'raw' | 'workflowId' | 'runId'>,
  pollers: TaskQueuePollers,
): Promise<RunHealth> {
  if (!isTaskFailing(raw)) {
    const unserved = await pollers.unserved(raw);
    return { ...runHealth(raw), ...(unserved.length > 0 && { unserved }) };
  }
  const { history } = await client.workflowService.getWorkflowExecutionHistoryReverse({
    namespace: client.options.namespace,
    execution: { workflowId, runId },
    maximumPageSize: LAST_EVENTS,
  });
  return runHealth(raw, history?.events ?? []);
}
