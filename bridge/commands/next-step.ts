/** What is to be done for one command next. Pure. */
import { COMMAND_VERBS, commandUpdateId, type OperatorCommand, type OperatorVerb } from '../../contract';
import {
  actorOf,
  isFinished,
  type CommandActor,
  type CommandObject,
  type CommandStatus,
} from './command-object';
import type { LastRun } from './command-runs';
import type { Stamps } from '../stamps';

/** Milliseconds that a command may wait for a run, or for its stamp to be readable, before it is refused as too old. */
export const LONGEST_WAIT = 600_000;
/** The same for a stamp: a renewed certificate reaches all processes within a minute or two. */
export const STAMP_PATIENCE = 120_000;
/** The same for an object that a bridge finds when it starts, by its age. */
export const OLDEST = 3_600_000;

/** What is known when a step is chosen. */
export interface StepInput {
  command: CommandObject;
  stamps: Stamps | undefined;
  /** Milliseconds since this process saw the object first. */
  seenFor: number;
  /** Milliseconds since the Unix epoch. */
  now: number;
}

/** A command that can be sent. */
export interface Sendable {
  actor: CommandActor;
  group: { namespace: string; name: string };
  verb: OperatorVerb;
  updateId: string;
  argument: OperatorCommand;
}

/** What is to be done. */
export type CommandStep =
  | { step: 'None' }
  /** Look again later; `message` says what is waited for. */
  | { step: 'Wait'; message: string }
  | { step: 'Refuse'; message: string; actor?: CommandActor }
  | { step: 'Send'; sendable: Sendable };

/** Whether and how a command is to be carried out. */
export function nextStep({ command, stamps, seenFor, now }: StepInput): CommandStep {
  const { stored, read, namespace, uid, createdAt } = command;
  if (isFinished(stored)) return { step: 'None' };
  if ('problem' in read) return { step: 'Refuse', message: read.problem };
  const actor = actorOf(command, stamps);
  if (!actor) {
    if (seenFor < STAMP_PATIENCE)
      return { step: 'Wait', message: 'the stamp of the admission webhook is not readable yet' };
    return {
      step: 'Refuse',
      message:
        'the admission webhook has not stamped this object, so its author is unknown: check with ' +
        'vmgroup doctor --for bridge that the webhook is registered for operatorcommands, and create the command again',
    };
  }
  // What was sent to a run is asked of that run, however long ago that was.
  const isSent = stored.runId !== undefined;
  if (!isSent && (seenFor > LONGEST_WAIT || now - createdAt > OLDEST))
    return {
      step: 'Refuse',
      message: 'too old: no bridge carried it out in time; create the command again',
      actor,
    };
  const { group: name, command: given, member, choice, reason } = read.spec;
  const argument: OperatorCommand = {
    ...(member !== undefined && { member }),
    ...(choice !== undefined && { choice }),
    actor: actor.name,
    reason,
    ...(actor.known && { known: true as const }),
  };
  const sendable = {
    actor,
    group: { namespace, name },
    verb: COMMAND_VERBS[given],
    updateId: commandUpdateId(uid),
    argument,
  };
  return { step: 'Send', sendable };
}

/** Where a command goes. */
export type Target =
  /** To this execution. */
  | { to: 'Run'; runId: string }
  /** A new run is to be asked for; `before` is the execution that was the last one then. */
  | { to: 'NewRun'; before: string }
  /** The new run was started, by an earlier try. */
  | { to: 'Started' }
  | { to: 'NoRun'; message: string };

/** Marks in `runId` that a new run is asked for. */
const AFTER = 'after:';

/** `runId` of a command for which a new run is asked for. */
export function afterRun(before: string): string {
  return `${AFTER}${before}`;
}

/**
 * Where to send a command.
 *
 * @param closed The execution that it was sent to before has closed without it.
 */
export function targetOf(
  { verb, group }: Pick<Sendable, 'verb' | 'group'>,
  { runId }: Pick<CommandStatus, 'runId'>,
  last: LastRun | undefined,
  closed = false,
): Target {
  if (runId?.startsWith(AFTER)) {
    const before = runId.slice(AFTER.length);
    return (last?.runId ?? '') === before ? { to: 'NewRun', before } : { to: 'Started' };
  }
  if (runId !== undefined && !closed) return { to: 'Run', runId };
  if (last?.open) return { to: 'Run', runId: last.runId };
  if (verb === 'retryMember') return { to: 'NewRun', before: last?.runId ?? '' };
  return { to: 'NoRun', message: `${group.namespace}/${group.name} has no open run` };
}
