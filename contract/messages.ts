/** The signals of a group's workflow, and the argument that starts it. */
import { defineSignal } from '@temporalio/workflow';
import type { RecordedCommand } from './operator-commands';
import type { MemberKey, Plan } from './plan';

/** The workflow type. */
export const WORKFLOW_TYPE = 'virtualMachineGroup';

/**
 * The workflow type of a run that clears up after one that was ended from outside. It has the workflow id of its group. A type of its own: a
 * worker of an older build does not take it, and a clean-up that is terminated is not followed by another one.
 */
export const CLEAN_UP_TYPE = 'virtualMachineGroupCleanUp';

/** Temporal's list filter for the runs of all groups. */
export const RUNS_QUERY = `WorkflowType STARTS_WITH "${WORKFLOW_TYPE}"`;

/** Temporal's list filter for open executions: `ExecutionStatus = 'Running'` leaves out those that are paused in Temporal. */
export const OPEN_QUERY = 'CloseTime IS NULL';

/** A text as Temporal's list filters quote it. */
export function quotedText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Why a plan was sent. */
export type Cause =
  /** The group's, its policy's or a parent's desired state changed. */
  | 'SpecChanged'
  /** A member joined, left, came into being or was deleted. */
  | 'MembersChanged'
  /** A VM was changed outside of the group. */
  | 'Drift'
  /** A parked VM was observed in its desired state. */
  | 'Recovered'
  /** `nextForcePowerStateSyncTime`. */
  | 'ForceSync'
  /** A parent's run asks. */
  | 'Parent'
  /** The run before was ended from outside, and its promised places are to be given back. */
  | 'CleanUp'
  /** A person asks, with `actor` and `reason`. */
  | 'Asked';

/** A change of the desired state of a plan. */
export interface PlanChange {
  /** The user, or the field manager of the client. */
  name: string;
  /** An API server has authenticated the user. */
  known?: true;
  /** RFC 3339. */
  at?: string;
  /** What was changed: `Kind namespace/name`. */
  object: string;
}

/** Argument of {@link applyPlan}. */
export interface PlanMessage {
  plan: Plan;
  cause: Cause;
  /** Names the plan for the sender, who compares it with `Progress.planDigest`. */
  digest?: string;
  /** Digest of the plan in force that this one replaces, also where this one's generation is smaller. */
  supersedes?: string;
  /** Who asks, and why; with cause `Asked`, and with `ForceSync` where it is known. */
  actor?: string;
  reason?: string;
  /** As in an operator command: an API server has authenticated the actor. */
  known?: true;
  /** Who changed the desired state last. */
  changedBy?: PlanChange;
  /** The run that asks has placed the VMs of the whole tree already. */
  placed?: true;
  /** With cause `Parent`: sequence of the parent's operation. The greater one is the later one, whatever the generations of the plans. */
  sequence?: number;
}

/** Argument of the workflow. */
export interface RunStart {
  namespace: string;
  name: string;
  /** State carried over from the execution that continued as new. Only the workflow reads it. */
  run?: unknown;
}

/** What is left of a run that was ended from outside, without an outcome. */
export interface CleanUp {
  /** Of the group, as it would be sent to a new run. */
  plan: Plan;
  /** As in {@link PlanMessage}. */
  digest?: string;
  /** The run that was ended. */
  runId: string;
  /** Who ended it, and why; how, in words. */
  actor: string;
  reason: string;
  message: string;
}

/** Argument of the workflow {@link CLEAN_UP_TYPE}. */
export interface CleanUpStart extends RunStart {
  cleanUp: CleanUp;
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

/** Argument of {@link attemptFailed}. */
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
  /** `null`: it is no longer paused. */
  paused: PausedBy | null;
}

/** Argument of {@link notifyOnEnd}: whom a run notifies of its end. */
export interface EndSubscription {
  /** Workflow id of the parent's run. */
  workflowId: string;
  /** Name of this group in the parent's plan. */
  member: MemberKey;
  /** Execution of this group's run that the parent waits for. */
  runId: string;
}

/** Argument of {@link groupEnded}. */
export interface GroupEnded {
  /** Name of the nested group in the parent's plan. */
  member: MemberKey;
  /** From the {@link EndSubscription}. */
  runId: string;
}

/** Gives a run its plan; also starts it (signal-with-start). Sending the same plan twice changes nothing. */
export const applyPlan = defineSignal<[PlanMessage]>('applyPlan');
/** The group was deleted, or a parent has taken over: the run ends as `Superseded`. */
export const withdraw = defineSignal<[{ reason: string }]>('withdraw');
/** An activity reports a failed attempt that it will retry. */
export const attemptFailed = defineSignal<[AttemptReport]>('attemptFailed');
/** An activity of the run was paused or unpaused from outside, which Temporal does not record in the history. Sent by the bridge. */
export const activityPaused = defineSignal<[PauseReport]>('activityPaused');
/** A parent's run relays an operator command. */
export const relay = defineSignal<[RecordedCommand]>('relay');
/** A parent's run waits for the end of this run without an open activity, and is to be notified of it. Sent by its activity. */
export const notifyOnEnd = defineSignal<[EndSubscription]>('notifyOnEnd');
/** A nested group's run is about to end, or was ended from outside (then the bridge sends it): the parent's run reads its outcome. */
export const groupEnded = defineSignal<[GroupEnded]>('groupEnded');
