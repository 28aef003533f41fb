/** Which workers poll for the workflows of groups. */
import type { Client } from '@temporalio/client';
import { livePollers } from '../insight';
import { TASK_QUEUE } from './start-worker';

/** Milliseconds in which the server has to answer. */
const CALL_TIMEOUT = 5_000;

/** What commands say if there is none. */
export function noWorkerText(taskQueue = TASK_QUEUE): string {
  return `no worker polls the task queue ${taskQueue}, so no run makes progress`;
}

/** The identities of the workers of workflows that have polled lately. Rejects if the server does not answer in time. */
export async function workflowPollers(
  client: Client,
  namespace: string,
  taskQueue = TASK_QUEUE,
): Promise<string[]> {
  const { pollers } = await client.withDeadline(Date.now() + CALL_TIMEOUT, () =>
    client.workflowService.describeTaskQueue({
      namespace,
      taskQueue: { name: taskQueue },
      taskQueueType: 1,
    }),
  );
  return livePollers(pollers, Date.now()).map(({ identity }) => identity ?? '');
}
