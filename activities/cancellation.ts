/** Finds out who asked for the cancellation of a run: workflow code cannot see that, its history has it. */
import { Context } from '@temporalio/activity';
import type { ActivityDependencies } from './power';
import type { Cancellation } from '../contract';

/** The last events of a history that are searched. */
const SEARCHED = 1_000;

/** The activity `cancellation`: the last request in the history of the workflow that runs it. */
export async function cancellation({ client: given }: ActivityDependencies): Promise<Cancellation> {
  const context = Context.current();
  const { workflowService, options } = given ?? context.client;
  const { history } = await workflowService.getWorkflowExecutionHistoryReverse({
    namespace: options.namespace,
    execution: context.info.workflowExecution ?? {},
    maximumPageSize: SEARCHED,
  });
  for (const event of history?.events ?? []) {
    const request = event.workflowExecutionCancelRequestedEventAttributes;
    if (request) return { identity: request.identity || 'unknown', reason: request.cause ?? '' };
  }
  return { identity: 'unknown', reason: '' };
}
