/** What a decision about a driver's run is made from, and what it says. */
import type { VirtualMachineStatus } from '../../api';
import type { CleanUp, DesiredPowerState, MemberKey, Plan, PlanChange, PlanMessage } from '../../contract';
import type { Asker } from '../requests';
import type { RunState } from '../runs';

/** The plan that was sent to a group's workflow last. Kept with the status, across restarts and upgrades. */
export interface SentPlan {
  /** {@link planDigest}: not comparable with the digest of another build. */
  digest: string;
  /** {@link wantsDigest}; older builds leave it out. */
  wants?: string;
  revision: string;
  lineage: string;
  powerState: DesiredPowerState;
  /** Every force sync token of the tree. */
  forceSync: string;
  /** Drifted VMs that were sent, with {@link UnmetMember.seen}, by path (`child/vm`). */
  drift: Record<string, string | number>;
  /** VMs that had been parked and that were reported to the run as being in their desired state, by path. */
  recovered?: string[];
  /** The run that it was sent to. */
  runId?: string;
  /** {@link PlanMessage.supersedes} of the message. */
  supersedes?: string;
}

/** What {@link chooseSend} needs to know besides the plan. */
export interface DriverFacts {
  /** The last run of any group of the namespace. */
  runOf(groupName: string): RunState;
  /** Whether the platform reported a VM of the namespace after the bridge learned what the last run of the VM's group says of it. */
  isNews(vmName: string): boolean;
  sent?: SentPlan;
  /** An operator asks for a run. */
  asked?: Asker;
  /** Who asked for a force sync that was not passed on to the run yet, if known. */
  syncAsker?: Asker;
  /** Who changed the desired state last, if known. */
  changedBy?: PlanChange;
  /** Milliseconds since the open run was first seen to refuse this plan; absent: it has not. */
  refusedFor?: number;
}

/** A VM (or a nested group whose open run has another plan) that is not in its desired state and that a run may bring there. */
export interface UnmetMember {
  /** Names of the groups below the driver and of the member, joined by `/`. */
  path: string;
  member: MemberKey;
  /** Identifies the observation: its version, or its time if it has no version; 0: the VM was never observed. */
  seen: string | number;
  observed?: VirtualMachineStatus;
  /** It was in the desired state under this plan, and has left it. */
  drifted: boolean;
}

/** What to send to a driver's run now. */
export interface SendDecision {
  /** Absent: nothing to send. */
  send?: PlanMessage;
  /** The last run was ended from outside: it is to be cleared up after (RECONCILE-9). */
  cleanUp?: CleanUp;
  /** To be kept, with the run's id, once it was sent; if nothing is sent, at once: what is kept says too little. */
  sent?: SentPlan;
  /** The reason, in words. */
  why: string;
  unmet: UnmetMember[];
  /** No run starts until the desired state changes or an operator asks (RECONCILE-3). */
  stopped: boolean;
  /** The open run has a different plan from the one it was sent: it refused that as older, or lost it (RECONCILE-7). */
  refused?: RefusedPlan;
  /** The plan is too large to be sent (RECONCILE-8). */
  tooLarge?: true;
}

/** See {@link SendDecision.refused}. */
export interface RefusedPlan {
  /** Milliseconds until the plan is sent again, as the one that replaces the plan of the run; absent: that was refused too. */
  retryIn?: number;
}

/** A driver with what follows from its plan and the facts. */
export interface DriverState {
  plan: Plan;
  facts: DriverFacts;
  /** {@link planDigest} of the plan. */
  digest: string;
  unmet: UnmetMember[];
}

/** The decision to send nothing. */
export function sendNothing({ unmet }: DriverState, why: string): SendDecision {
  return { why, unmet, stopped: false };
}
