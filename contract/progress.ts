/** Where an open run stands: the answer of its query. */
import { defineQuery } from '@temporalio/workflow';
import type { PowerState } from '../api';
import type { PausedBy } from './messages';
import type { RecordedCommand } from './operator-commands';
import type { OutcomeType, RunOutcome, RunPlacement } from './outcome';
import type { DesiredPowerState, MemberKey } from './plan';

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
  /** Attempts that have failed: of the open operation, or of the one that was given up; at most the last 20 are counted. */
  failed?: number;
  /** When the next attempt is due, while it is not running. */
  nextRetryAt?: number;
  lastError?: { class: string; message: string; at: number };
  activityId?: string;
  /** The run of a nested group that is waited for without an activity. */
  awaitedRunId?: string;
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
  /** Index of the tier that has to be done before, in the order of the run; absent: none. */
  after?: number;
  /** Milliseconds between that, or the start of the run, and this tier's turn; absent: 0. */
  delay?: number;
  done: number;
  total: number;
  /** Recovery time objective of the policy for this tier, milliseconds from the start of the run. */
  rto?: number;
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
  /** Recovery time objective of the policy for the run, milliseconds. */
  rto?: number;
  /** The run is a rehearsal. */
  test?: true;
  /** In the order of the boot groups. */
  tiers: TierProgress[];
  members: MemberProgress[];
  placement: { phase: 'NotNeeded' | 'Pending' | 'InProgress' | 'Done' | 'Releasing'; message?: string };
  placements: Record<MemberKey, RunPlacement>;
  words: RecordedCommand[];
  /** What could not be read, the last ones. */
  ignored?: IgnoredInput[];
  outcome?: RunOutcome;
  /** Texts or parts were left out, as the answer would not have fitted. */
  shortened?: true;
}

/** Where the run stands. */
export const progress = defineQuery<Progress>('progress');
