/** Operator commands: the Updates that a person sends to a run, through `vmgroup` or the Temporal UI. */
import { defineUpdate } from '@temporalio/workflow';
import type { OperatorCommandName } from '../api';

/** Argument of every operator Update. */
export interface OperatorCommand {
  /** Name of a VM, or `Kind/name`. */
  member?: string;
  /** `answer`: key or label of the choice. */
  choice?: string;
  /** Who; absent: the run has no name, and the record takes the identity of the Temporal client. */
  actor?: string;
  reason: string;
  /** The actor was authenticated by an API server: see `OperatorCommand` objects. A client that can write to Temporal can set it falsely. */
  known?: true;
}

/** Actor of a command that names none. */
export const UNNAMED_ACTOR = 'unknown';

/** Names of the operator commands. */
export type OperatorVerb =
  'pause' | 'resume' | 'retryMember' | 'skipMember' | 'markReady' | 'skipDelay' | 'answer' | 'abort';

/** An operator command as it is recorded. */
export interface RecordedCommand extends OperatorCommand {
  verb: OperatorVerb;
  actor: string;
  at: number;
}

/** Answer of every operator Update. */
export interface CommandAccepted {
  message: string;
}

/** The Updates of the operator commands, by verb. */
export const operatorUpdates = {
  pause: defineUpdate<CommandAccepted, [OperatorCommand]>('pause'),
  resume: defineUpdate<CommandAccepted, [OperatorCommand]>('resume'),
  retryMember: defineUpdate<CommandAccepted, [OperatorCommand]>('retryMember'),
  skipMember: defineUpdate<CommandAccepted, [OperatorCommand]>('skipMember'),
  markReady: defineUpdate<CommandAccepted, [OperatorCommand]>('markReady'),
  skipDelay: defineUpdate<CommandAccepted, [OperatorCommand]>('skipDelay'),
  answer: defineUpdate<CommandAccepted, [OperatorCommand]>('answer'),
  abort: defineUpdate<CommandAccepted, [OperatorCommand]>('abort'),
} as const satisfies Record<OperatorVerb, unknown>;

/** The verb of each command that an `OperatorCommand` object can name. */
export const COMMAND_VERBS = {
  pause: 'pause',
  resume: 'resume',
  retry: 'retryMember',
  skip: 'skipMember',
  'mark-ready': 'markReady',
  'skip-delay': 'skipDelay',
  answer: 'answer',
  abort: 'abort',
} as const satisfies Record<OperatorCommandName, OperatorVerb>;

/** Update id of the command that the object with this uid asks for: the same in every process, so that it is carried out once. */
export function commandUpdateId(uid: string): string {
  return `${COMMAND_UPDATE}${uid}`;
}

/** Whether an Update was sent for an `OperatorCommand` object. */
export function isCommandUpdate(updateId: string | undefined): boolean {
  return updateId?.startsWith(COMMAND_UPDATE) === true;
}

const COMMAND_UPDATE = 'operatorcommand-';

/** Every verb. */
export const OPERATOR_VERBS = Object.keys(operatorUpdates) as readonly OperatorVerb[];
