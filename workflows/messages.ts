/**
 * What can be said to a group's workflow, asked of it, and what it answers. Importable outside the workflow sandbox.
 */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Placement, PowerState, VirtualMachineStatus } from '../api';
import type { DesiredPowerState, MemberKey, Plan } from './plan';
import type { CarriedRun } from './size';

export * from './plan';
export { searchAttributeKeys } from './search-attributes';
export { startOptions, type StartOptions } from './start-options';

/** The workflow type. */
export const WORKFLOW_TYPE = 'virtualMachineGroup';

/** Why a plan was sent. */
export type Cause =
  /** The group's, its policy's or a parent's desired state changed. */
  | 'SpecChanged'
  /** A member joined, left, came into being or was deleted. */
  | 'MembersChanged'
  /** A VM was changed behind the group's back. */
  | 'Drift'
  /** A parked VM was observed where it belongs. */
  | 'Recovered'
  /** `nextForcePowerStateSyncTime`. */
  | 'ForceSync'
  /** A parent's run asks. */
  | 'Parent'
  /** A person asks, with `actor` and `reason`. */
  | 'Asked';

/** Argument of {@link applyPlan}. */
export interface PlanMessage {
  plan: Plan;
  cause: Cause;
  /** Names the plan for the sender, who compares it with {@link Progress.planDigest}. */
  digest?: string;
  /** Digest of the plan in force that this one replaces, also where this one's generation is smaller. */
  supersedes?: string;
  /** Who asks, and why; with cause `Asked`, and with `ForceSync` where it is known. */
  actor?: string;
  reason?: string;
  /** The run that asks has placed the VMs of the whole tree already. */
  placed?: true;
}

/** Argument of the workflow. */
export interface RunStart {
  namespace: string;
  name: string;
  /** State carried over from the execution that continued as new. */
  run?: CarriedRun;
}

/** Argument of every operator Update. */
export interface OperatorWord {
  /** Name of a VM, or `Kind/name`. */
  member?: string;
  actor: string;
  reason: string;
}

/** The operators' verbs. */
export type Verb = 'pause' | 'resume' | 'retryMember' | 'skipMember' | 'markReady' | 'skipDelay' | 'abort';

/** An operator's word as it stands on record. */
export interface RecordedWord extends OperatorWord {
  verb: Verb;
  at: number;
}

/** One failed attempt of an operation. */
export interface Attempt {
  attempt: number;
  at: number;
  class: string;
  message: string;
  /** When the next attempt is due; absent: there is none. */
  retryAt?: number;
}

/** Argument of {@link attemptFailed}: what an activity tells while it goes on retrying. */
export interface AttemptReport {
  activityId: string;
  attempt: Attempt;
}

/** Who paused an activity from outside; times in milliseconds since the epoch. */
export interface PausedBy {
  at: number;
  by: string;
  reason: string;
}

/** Argument of {@link activityPaused}. */
export interface PauseReport {
  activityId: string;
  /** `null`: it is not paused any more. */
  paused: PausedBy | null;
}

/** A plan that the run did not take because it is older than the plan in force. */
export interface RefusedPlan {
  digest?: string;
  revision: string;
  generation: number;
  at: number;
}

/** A message or result that the run could not read, and left without effect. */
export interface IgnoredInput {
  at: number;
  /** Name of the signal, or id of the activity. */
  what: string;
  why: string;
}

/** How a run ended. */
export type OutcomeType = 'Converged' | 'ConvergedWithExceptions' | 'Failed' | 'Cancelled' | 'Superseded';

/** Kinds of {@link RunException}. */
export type ExceptionReason =
  | 'Parked'
  | 'Skipped'
  | 'MarkedReady'
  | 'NotFound'
  | 'NotMember'
  /** Changed behind the group's back; policy says to report it only. */
  | 'Drifted'
  /** Changed behind the group's back more often than policy lets the group correct. */
  | 'DriftLimit'
  /** An optional member for which there is no room. */
  | 'NoRoom'
  /** The run ended before its turn came. */
  | 'NotStarted'
  /** Its operation was open when the run ended. */
  | 'InProgress'
  /** A nested group that has exceptions of its own. */
  | 'GroupHasExceptions';

/** Why a member is not in the desired state at the end of a run, or is there only by an operator's word. */
export interface RunException {
  member: MemberKey;
  reason: ExceptionReason;
  message: string;
}

/** Where a run has placed a VM. */
export interface RunPlacement extends Placement {
  /** Of the VM that was placed: another one of the same name is not. */
  uid?: string;
  /** What the platform says of the place. */
  note?: string;
}

/** Result of the workflow. */
export interface RunOutcome {
  outcome: OutcomeType;
  message: string;
  revision: string;
  generation: number;
  /** Of the last plan, as its sender named it. */
  planDigest?: string;
  lineage: string;
  powerState: DesiredPowerState;
  /** The force sync that this run carried out. */
  forceSync?: string;
  startedAt: number;
  endedAt: number;
  /** Power operations that were asked for; 0: every member was there already. */
  operations: number;
  exceptions: RunException[];
  /** Last observed state of each VM member. */
  observed: Record<MemberKey, VirtualMachineStatus>;
  /** Every VM of the tree that this run has placed, by name. */
  placements: Record<MemberKey, RunPlacement>;
  /** Names of the VMs of the tree that have no place since the run was ended: what was promised to them was given back. */
  released?: string[];
  /** Times of the corrections of drift that still count. */
  corrections: Record<string, number[]>;
  words: RecordedWord[];
  /** Texts or parts were left out, as the outcome would not have fitted. */
  shortened?: true;
}

/** Where a member stands in a run. */
export type MemberPhase =
  /** Its tier's turn has not come. */
  | 'Pending'
  /** It does not exist, or is not a member. */
  | 'Missing'
  /** It may start, and waits for a free slot, for placement, or for an operator's `resume`. */
  | 'Queued'
  /** Its power operation is open. */
  | 'InProgress'
  /** It has reached its gate. */
  | 'Done'
  | 'Parked'
  | 'Skipped'
  /** Left as it was: drift that is only reported, or the limit of corrections. */
  | 'LeftAlone';

/** What one member waits for. */
export interface MemberProgress {
  member: MemberKey;
  tier: number;
  phase: MemberPhase;
  /** In words; absent once done. */
  waitsFor?: string;
  /** Since when it has been in this phase. */
  since: number;
  /** Attempt that runs or comes next, from 1; absent where no operation is open. */
  attempt?: number;
  /** When the next attempt is due, while it is not running. */
  nextRetryAt?: number;
  lastError?: { class: string; message: string; at: number };
  activityId?: string;
  /** Its activity was paused from outside: nothing happens until it is unpaused. */
  paused?: PausedBy;
  powerState?: PowerState;
  /** The platform's version of the VM in which `powerState` was observed. */
  version?: string;
}

/** What one tier waits for. */
export interface TierProgress {
  tier: number;
  phase: 'Pending' | 'Delay' | 'Running' | 'Done';
  /** While in `Delay`: when it ends. */
  until?: number;
  done: number;
  total: number;
}

/** Phases of a run, as the search attribute shows them; after the end it is the outcome. */
export type RunPhase = 'Placing' | 'PoweringOn' | 'PoweringOff' | 'Suspending' | 'Waiting' | 'Paused';

/** Answer of the query {@link progress}. */
export interface Progress {
  namespace: string;
  name: string;
  revision: string;
  generation: number;
  /** Of the plan in force, as its sender named it. */
  planDigest?: string;
  /** Set while the last plan that was sent is one that the run refused. */
  refusedPlan?: RefusedPlan;
  lineage: string;
  root: string;
  powerState: DesiredPowerState;
  forceSync?: string;
  phase: RunPhase | OutcomeType;
  /** In one sentence, what the run waits for. */
  message: string;
  startedAt: number;
  /** In the order of the boot groups. */
  tiers: TierProgress[];
  members: MemberProgress[];
  placement: { phase: 'NotNeeded' | 'Pending' | 'InProgress' | 'Done' | 'Releasing'; message?: string };
  placements: Record<MemberKey, RunPlacement>;
  words: RecordedWord[];
  /** What could not be read, the last ones. */
  ignored?: IgnoredInput[];
  outcome?: RunOutcome;
  /** Texts or parts were left out, as the answer would not have fitted. */
  shortened?: true;
}

/** Gives a run its plan; also starts it (signal-with-start). Sending the same plan twice changes nothing. */
export const applyPlan = defineSignal<[PlanMessage]>('applyPlan');
/** The group is gone, or a parent has taken over: the run ends as `Superseded`. */
export const withdraw = defineSignal<[{ reason: string }]>('withdraw');
/** An activity tells of a failed attempt while it goes on retrying. */
export const attemptFailed = defineSignal<[AttemptReport]>('attemptFailed');
/** An activity of the run was paused or unpaused from outside: Temporal leaves no event of it. Sent by the bridge. */
export const activityPaused = defineSignal<[PauseReport]>('activityPaused');
/** A parent's run hands an operator's word on. */
export const relay = defineSignal<[RecordedWord]>('relay');

/** Answer of every operator Update. */
export interface WordAccepted {
  message: string;
}

/** The operators' Updates, by verb. */
export const operatorUpdates = {
  pause: defineUpdate<WordAccepted, [OperatorWord]>('pause'),
  resume: defineUpdate<WordAccepted, [OperatorWord]>('resume'),
  retryMember: defineUpdate<WordAccepted, [OperatorWord]>('retryMember'),
  skipMember: defineUpdate<WordAccepted, [OperatorWord]>('skipMember'),
  markReady: defineUpdate<WordAccepted, [OperatorWord]>('markReady'),
  skipDelay: defineUpdate<WordAccepted, [OperatorWord]>('skipDelay'),
  abort: defineUpdate<WordAccepted, [OperatorWord]>('abort'),
} as const satisfies Record<Verb, unknown>;

/** Where the run stands. */
export const progress = defineQuery<Progress>('progress');
