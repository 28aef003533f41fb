/** Who polls the task queues of platforms. */
import type { Client } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { livePollers, type UnservedPlatform } from '../../insight';

type Description = temporal.api.workflowservice.v1.IDescribeWorkflowExecutionResponse;

const { TASK_QUEUE_TYPE_ACTIVITY } = temporal.api.enums.v1.TaskQueueType;
const { PENDING_ACTIVITY_STATE_SCHEDULED } = temporal.api.enums.v1.PendingActivityState;

/** Milliseconds for which an answer counts, whatever the number of runs that wait. */
const FRESH = 10_000;

/** Asks Temporal who polls. Every task queue is asked about at most once in {@link FRESH}. */
export class TaskQueuePollers {
  readonly #client: Client;
  readonly #answers = new Map<string, { at: number; polled: Promise<boolean> }>();

  constructor(client: Client) {
    this.#client = client;
  }

  /**
   * The platforms for which an activity of a described run waits while no worker polls. Asks the server nothing if no activity waits.
   *
   * @throws ServiceError if the server does not answer.
   */
  async unserved(description: Description): Promise<UnservedPlatform[]> {
    const waiting = [...waitingQueues(description)].sort((a, b) => (a.platform < b.platform ? -1 : 1));
    const polled = await Promise.all(waiting.map(({ taskQueue }) => this.#isPolled(taskQueue)));
    return waiting.filter((_, index) => polled[index] === false);
  }

  #isPolled(taskQueue: string): Promise<boolean> {
    const now = performance.now();
    for (const [name, { at }] of this.#answers) if (now - at > FRESH) this.#answers.delete(name);
    const known = this.#answers.get(taskQueue);
    if (known) return known.polled;
    const polled = this.#ask(taskQueue);
    this.#answers.set(taskQueue, { at: now, polled });
    polled.catch(() => this.#answers.delete(taskQueue));
    return polled;
  }

  async #ask(name: string): Promise<boolean> {
    const { pollers } = await this.#client.workflowService.describeTaskQueue({
      namespace: this.#client.options.namespace,
      taskQueue: { name },
      taskQueueType: TASK_QUEUE_TYPE_ACTIVITY,
    });
    return livePollers(pollers, Date.now()).length > 0;
  }
}

/** The task queues of platforms on which an activity waits that no worker has begun. */
function waitingQueues({ executionConfig, pendingActivities }: Description): UnservedPlatform[] {
  const prefix = `${executionConfig?.taskQueue?.name ?? ''}/`;
  const names = new Set<string>();
  for (const { state, paused, activityOptions } of pendingActivities ?? []) {
    const name = activityOptions?.taskQueue?.name ?? '';
    if (state === PENDING_ACTIVITY_STATE_SCHEDULED && !paused && name.startsWith(prefix)) names.add(name);
  }
  return [...names].map((taskQueue) => ({ platform: taskQueue.slice(prefix.length), taskQueue }));
}
