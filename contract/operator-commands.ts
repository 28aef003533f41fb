/** Operator commands: the Updates that a person sends to a run, through `vmgroup` or the Temporal UI. */
import { defineUpdate } from '@temporalio/workflow';

/** Argument of every operator Update. */
export interface OperatorCommand {
  /** Name of a VM, or `Kind/name`. */
  member?: string;
  /** `answer`: key or label of the choice. */
  choice?: string;
  actor: string;
  reason: string;
}

/** Names of the operator commands. */
export type OperatorVerb =
  'pause' | 'resume' | 'retryMember' | 'skipMember' | 'markReady' | 'skipDelay' | 'answer' | 'abort';

/** An operator command as it is recorded. */
export interface RecordedCommand extends OperatorCommand {
  verb: OperatorVerb;
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

/** Every verb. */
export const OPERATOR_VERBS = Object.keys(operatorUpdates) as readonly OperatorVerb[];
