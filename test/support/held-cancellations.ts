/** Cancelled runs that learn who cancelled them only once a test says so: until then they stay open, and receive messages. */
import type { Client } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';

type Request = temporal.api.workflowservice.v1.IGetWorkflowExecutionHistoryReverseRequest;

/** Holds back what the activity `cancellation` reads, on the client of a worker. */
export class HeldCancellations {
  readonly #client: Client;
  readonly #answers = new Map<string, Promise<void>>();

  constructor(client: Client) {
    this.#client = client;
    const { workflowService } = client;
    const read = workflowService.getWorkflowExecutionHistoryReverse.bind(workflowService);
    Object.assign(workflowService, {
      getWorkflowExecutionHistoryReverse: async (request: Request) => {
        await this.#answers.get(request.execution?.workflowId ?? '');
        return read(request);
      },
    });
  }

  /** Holds the answer for a workflow back. Returns what gives it. */
  hold(workflowId: string): () => void {
    let answer = (): void => undefined;
    this.#answers.set(workflowId, new Promise((resolve) => (answer = resolve)));
    return answer;
  }

  /** Whether a workflow waits for its answer. */
  async isAwaited(workflowId: string): Promise<boolean> {
    const { raw } = await this.#client.workflow.getHandle(workflowId).describe();
    return raw.pendingActivities?.some(({ activityId }) => activityId === 'cancellation') ?? false;
  }
}
