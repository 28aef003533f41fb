/** The calls to Temporal that operator commands need. */
import {
  ApplicationFailure,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Client,
} from '@temporalio/client';
import type { ObjectName } from '../../api';
import {
  CLEAN_UP_TYPE,
  operatorUpdates,
  workflowId,
  type OperatorCommand,
  type OperatorVerb,
} from '../../contract';

/** The last execution of a group's run. */
export interface LastRun {
  runId: string;
  open: boolean;
}

/** What came of one try to send a command. */
export type CommandAnswer =
  /** The run carried it out. */
  | { type: 'Done'; message: string }
  /** The run refused it, and nothing has changed. */
  | { type: 'Refused'; message: string }
  /** The execution was closed before it accepted the command. */
  | { type: 'Closed' }
  /** The execution accepted the command, and closed without an answer. */
  | { type: 'NoAnswer'; message: string }
  /** No worker has answered yet. */
  | { type: 'Waiting' };

/** The runs of groups, for commands. Every method rejects while Temporal does not answer. */
export interface CommandRuns {
  /** Undefined: the group has none. */
  last(group: ObjectName): Promise<LastRun | undefined>;
  /** Sends a command to one execution. With the same id it is carried out once, however often it is sent. */
  send(to: {
    group: ObjectName;
    runId: string;
    updateId: string;
    verb: OperatorVerb;
    command: OperatorCommand;
  }): Promise<CommandAnswer>;
}

/** Milliseconds. */
const CALL_TIMEOUT = 5_000;
const ANSWER_TIMEOUT = 15_000;

/** The server's type for an Update whose execution closed after it had accepted it, and its message if it closed before. */
const CLOSED_AFTER = 'AcceptedUpdateCompletedWorkflow';
const CLOSED_BEFORE = 'aborted by closing workflow';

/** The calls on a real server. */
export function commandRuns(client: Client): CommandRuns {
  return {
    last: async ({ namespace, name }) => {
      const handle = client.workflow.getHandle(workflowId(namespace, name));
      try {
        const { runId, status, type } = await client.withDeadline(Date.now() + CALL_TIMEOUT, () =>
          handle.describe(),
        );
        const open = status.name === 'RUNNING' || status.name === 'PAUSED';
        // A clean-up takes no commands.
        return { runId, open: open && type !== CLEAN_UP_TYPE };
      } catch (error: unknown) {
        if (error instanceof WorkflowNotFoundError) return undefined;
        throw error;
      }
    },
    send: async ({ group: { namespace, name }, runId, updateId, verb, command }) => {
      const handle = client.workflow.getHandle(workflowId(namespace, name), runId);
      try {
        const { message } = await client.withDeadline(Date.now() + ANSWER_TIMEOUT, () =>
          handle.executeUpdate(operatorUpdates[verb], { args: [command], updateId }),
        );
        return { type: 'Done', message };
      } catch (error: unknown) {
        return answerOf(error);
      }
    },
  };
}

/** @throws the error, if it is about the call and not about the command. */
function answerOf(error: unknown): CommandAnswer {
  if (error instanceof WorkflowNotFoundError) return { type: 'Closed' };
  if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) return { type: 'Waiting' };
  if (!(error instanceof WorkflowUpdateFailedError)) throw error;
  const { cause } = error;
  const message = cause?.message ?? error.message;
  if (message.includes(CLOSED_BEFORE)) return { type: 'Closed' };
  if (cause instanceof ApplicationFailure && cause.type === CLOSED_AFTER)
    return { type: 'NoAnswer', message };
  return { type: 'Refused', message };
}
