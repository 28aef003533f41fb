/** Sends operator commands to open runs. */
import type { Client } from '@temporalio/client';
import pRetry from 'p-retry';
import type { ObjectName } from '../../api';
import type { CommandAccepted, OperatorCommand, OperatorVerb } from '../../contract';
import { withTemporalClient } from '../connections';
import { CliError, messageOf } from '../errors';
import { loadViews, memberKeyOf } from '../groups';
import * as lazy from '../lazy';
import { requestNewRun, type RunRequestOptions } from '../new-run';
import { printLine, printNote } from '../output';

/** Options of each operator command. */
export type OperatorCommandOptions = RunRequestOptions;

/** Longest wait for the run's answer, milliseconds. It comes at once, unless no worker polls. */
const ANSWER_TIMEOUT = 15_000;

/** Retries if the run closes while the command is on its way. */
const RETRIES = 2;

/** The server's type for an Update whose run closed after it had accepted it, and its message if the run closed before. */
const CLOSED_AFTER = 'AcceptedUpdateCompletedWorkflow';
const CLOSED_BEFORE = 'aborted by closing workflow';

/**
 * Sends a command to the open run of a group.
 *
 * @returns the answer of the run.
 * @throws CliError if it refuses the command or does not answer; WorkflowNotFoundError if no run is open.
 */
export async function sendToRun(
  client: Client,
  verb: OperatorVerb,
  group: ObjectName,
  command: OperatorCommand,
): Promise<string> {
  try {
    return (await send(client, verb, group, command)).message;
  } catch (error: unknown) {
    throw error instanceof lazy.temporalClient().WorkflowNotFoundError ? error : notAccepted(error, group);
  }
}

/**
 * Sends a command to the open run of a group, and prints the answer. `retryMember` for a group without an open run requests a new one.
 *
 * @throws CliError if there is no open run, or it refuses the command or does not answer; for `retryMember` also if the group, or the member,
 *   does not exist.
 */
export async function sendCommand(
  verb: OperatorVerb,
  group: ObjectName,
  { member, choice }: { member?: string | undefined; choice?: string | undefined },
  options: OperatorCommandOptions,
): Promise<void> {
  const { actor, reason } = options;
  const command: OperatorCommand = {
    ...(member !== undefined && { member }),
    ...(choice !== undefined && { choice }),
    actor,
    reason,
  };
  const answer = await withTemporalClient(options, async (client) => {
    try {
      return await sendToRun(client, verb, group, command);
    } catch (error: unknown) {
      if (!(error instanceof lazy.temporalClient().WorkflowNotFoundError)) throw error;
      if (verb === 'retryMember') return retryByNewRun(group, member, options);
      throw noOpenRun(verb, group);
    }
  });
  printLine(answer);
}

/** A new run retries whatever is not in its desired state, so a name that means nothing must not start one. */
async function retryByNewRun(
  group: ObjectName,
  member: string | undefined,
  options: OperatorCommandOptions,
): Promise<string> {
  if (member === undefined) return requestNewRun(group, options);
  const [view] = await loadViews(group, options, 'none');
  if (view) memberKeyOf(view, member);
  const answer = await requestNewRun(group, options);
  const name = `${group.namespace}/${group.name}`;
  printNote(
    `note: no run of ${name} is open; the new one retries every member that is not in its desired state`,
  );
  return answer;
}

async function send(
  client: Client,
  verb: OperatorVerb,
  { namespace, name }: ObjectName,
  command: OperatorCommand,
): Promise<CommandAccepted> {
  const { operatorUpdates, workflowId } = lazy.contract();
  const handle = client.workflow.getHandle(workflowId(namespace, name));
  // A run that follows the closed one may accept the command. If none follows, the next answer says so.
  return pRetry(
    () =>
      client.withDeadline(Date.now() + ANSWER_TIMEOUT, () =>
        handle.executeUpdate(operatorUpdates[verb], { args: [command] }),
      ),
    {
      retries: RETRIES,
      minTimeout: 0,
      shouldRetry: ({ error }) => hasClosedMeanwhile(error),
    },
  );
}

function hasClosedMeanwhile(error: Error): boolean {
  const { cause } = error;
  const type = cause instanceof lazy.temporalClient().ApplicationFailure ? cause.type : undefined;
  return type === CLOSED_AFTER || messageOf(error).includes(CLOSED_BEFORE);
}

function noOpenRun(verb: OperatorVerb, { namespace, name }: ObjectName): CliError {
  const [command = verb] =
    Object.entries(lazy.contract().COMMAND_VERBS).find(([, each]) => each === verb) ?? [];
  return new CliError(`${namespace}/${name} has no open run, so there is nothing to ${command}`, [
    `list its runs: vmgroup get runs ${namespace}/${name}`,
    `see its present state: vmgroup describe ${namespace}/${name}`,
  ]);
}

function notAccepted(error: unknown, group: ObjectName): CliError {
  const { WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError } = lazy.temporalClient();
  const name = `${group.namespace}/${group.name}`;
  if (error instanceof WorkflowUpdateFailedError)
    return new CliError(`the run of ${name} refused: ${messageOf(error.cause)}`, [
      `see its state: vmgroup describe ${name}`,
    ]);
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError)
    return new CliError(`the run of ${name} did not answer within ${ANSWER_TIMEOUT / 1000} s`, [
      'start a worker: vmgroup up, vmgroup worker or vmgroup serve',
      'see whether one polls: vmgroup doctor',
    ]);
  return new CliError(messageOf(error));
}
