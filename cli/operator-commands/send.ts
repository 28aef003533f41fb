/** Sends an operator's word to the open run of a group. */
import type { Client } from '@temporalio/client';
import type { OperatorCommand, OperatorVerb, CommandAccepted } from '../../contract';
import type { WordOptions } from '.';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { askForRun } from '../new-run/ask-for-run';
import { withClient } from '../connections/temporal';

/** Longest wait for the run's answer, milliseconds: it is there at once unless no worker polls. */
const ANSWER_PATIENCE = 15_000;

/** Tries where the run closes at the very moment. */
const TRIES = 3;

/**
 * Sends the word and prints the answer. `retryMember` to a group without an open run asks for a new run.
 *
 * @throws CliError when there is no run to hear it, it refuses, or nobody answers.
 */
export async function sendWord(
  verb: OperatorVerb,
  group: { namespace: string; name: string },
  member: string | undefined,
  options: WordOptions,
): Promise<void> {
  const word: OperatorCommand = {
    ...(member !== undefined && { member }),
    actor: options.actor,
    reason: options.reason,
  };
  const answer = await withClient(options, async ({ client }) => {
    try {
      return (await deliver(client, verb, group, word)).message;
    } catch (error: unknown) {
      if (!(error instanceof lazy.temporalClient().WorkflowNotFoundError)) throw unheard(error, group);
      if (verb === 'retryMember') return askForRun(group, options);
      throw new CliError(`${group.namespace}/${group.name} has no open run, so there is nothing to ${verb}`, [
        `what its runs were: vmgroup get runs ${group.namespace}/${group.name}`,
        `what it is now: vmgroup describe ${group.namespace}/${group.name}`,
      ]);
    }
  });
  process.stdout.write(`${answer}\n`);
}

async function deliver(
  client: Client,
  verb: OperatorVerb,
  group: { namespace: string; name: string },
  word: OperatorCommand,
): Promise<CommandAccepted> {
  const { operatorUpdates, workflowId } = lazy.messages();
  const handle = client.workflow.getHandle(workflowId(group.namespace, group.name));
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.withDeadline(Date.now() + ANSWER_PATIENCE, () =>
        handle.executeUpdate(operatorUpdates[verb], { args: [word] }),
      );
    } catch (error: unknown) {
      // The run closed with the word on its way: a run that follows may hear it, and if there is none the next answer says so.
      if (
        attempt >= TRIES ||
        !/aborted by closing workflow|AcceptedUpdateCompletedWorkflow/.test(messageOf(error))
      )
        throw error;
    }
  }
}

function unheard(error: unknown, group: { namespace: string; name: string }): CliError {
  const { WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError } = lazy.temporalClient();
  const name = `${group.namespace}/${group.name}`;
  if (error instanceof WorkflowUpdateFailedError)
    return new CliError(`the run of ${name} refused: ${messageOf(error.cause)}`, [
      `look: vmgroup describe ${name}`,
    ]);
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)
    return new CliError(`the run of ${name} did not answer within ${ANSWER_PATIENCE / 1000} s`, [
      'a worker must be running: vmgroup up, vmgroup worker or vmgroup serve',
      'vmgroup doctor tells whether one polls',
    ]);
  return new CliError(messageOf(error));
}
