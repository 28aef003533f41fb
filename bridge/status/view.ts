/**
 * A group as people and programs see it. Field names are those of VirtualMachineGroup in vmoperator.vmware.com (v1alpha4 to v1alpha6);
 * conditions are `metav1.Condition`.
 */
import type { MemberKind, Placement, PowerState, Problem } from '../../api';
import type { OutcomeType, Progress, RunOutcome, RunPhase } from '../../contract';
import type { SentPlan } from '../reconcile';
import type { RunHealth } from '../../insight';
import type { RunEnding } from '../runs';

/** Why a condition has its status. */
export type ConditionReason =
  | 'MemberLinked'
  | 'NotFound'
  | 'NotMember'
  | 'PowerStateMatches'
  | 'LeftPoweredOff'
  | 'Pending'
  | 'NotSynced'
  | 'PowerOperationFailed'
  | 'PlacementComputed'
  | 'AlreadyPlaced'
  | 'AllMembersReady'
  | 'MembersNotReady'
  | 'RunOpen'
  | 'ParentNotFound'
  | 'WorkflowTaskFailing'
  | 'RunPaused'
  | 'ActivityPaused'
  /** No worker polls the task queue of a platform. */
  | 'NoPlatformWorker'
  | 'PlanTooLarge'
  | 'StalePlan'
  | 'Invalid'
  /** Another controller powers the members. */
  | 'Contested'
  /** The status was made smaller to fit into the API server. */
  | 'TooLarge';

/** A Kubernetes `metav1.Condition`. */
export interface Condition {
  type: 'GroupLinked' | 'PowerStateSynced' | 'PlacementReady' | 'Ready';
  status: 'True' | 'False' | 'Unknown';
  reason: ConditionReason;
  message: string;
  /** RFC 3339, whole seconds. */
  lastTransitionTime: string;
  observedGeneration: number;
}

/** One item of `status.members`. */
export interface MemberStatus {
  name: string;
  kind: MemberKind;
  uid?: string;
  placement?: Placement;
  /** VMs only: as observed. */
  powerState?: PowerState;
  conditions: Condition[];
}

/** `status` of a VirtualMachineGroup. */
export interface GroupStatus {
  observedGeneration: number;
  /** In boot order. */
  members: MemberStatus[];
  /** RFC 3339: when a run last brought the members to the group's power state. */
  lastUpdatedPowerStateTime?: string;
  conditions: Condition[];
}

/**
 * Where a group stands. Besides the phases and outcomes of runs: `Starting` (a run was asked for and has not answered yet), `Pending` (out of
 * the desired state, and a run will start), `OutOfSync` (out of the desired state, and no run will start), `Unmanaged` (no power state),
 * `Invalid` (no valid form of the group is known), `Contested` (another controller powers the members, so nothing is done).
 */
export type GroupPhase =
  RunPhase | OutcomeType | 'Starting' | 'Pending' | 'OutOfSync' | 'Unmanaged' | 'Invalid' | 'Contested';

/** The last run of a group. Times are milliseconds since the epoch. */
export interface RunView {
  workflowId: string;
  runId: string;
  startedAt: number;
  endedAt?: number;
  outcome?: RunOutcome;
  /** While the run is open. */
  progress?: Progress;
  /** How Temporal closed it, if it left no outcome. */
  closedAs?: string;
  /** Who ended it, and why, if it left no outcome. */
  ended?: RunEnding;
  /** While the run is open: what Temporal knows of it and the run itself cannot report. */
  health?: RunHealth;
}

/** What `vmgroup get` prints of a group. */
export interface GroupView {
  apiVersion: string;
  kind: 'VirtualMachineGroup';
  metadata: { namespace: string; name: string; uid: string; generation: number };
  spec: { powerState?: PowerState; groupName?: string };
  status: GroupStatus;
  phase: GroupPhase;
  /** The reason for the phase, in a sentence. */
  message: string;
  run?: RunView;
  /** What is wrong with the group's manifest; the last valid form is in force. */
  problems?: Problem[];
  /** What the bridge remembers across restarts. */
  sent?: SentPlan;
}

/** The API version that views are shown in. */
export const VIEW_API_VERSION = 'vmoperator.vmware.com/v1alpha6';
