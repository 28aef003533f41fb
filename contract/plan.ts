/**
 * The plan of a run: everything that decides what the run does, resolved from the resources by {@link resolvePlan} in `bridge/`.
 *
 * It travels in the signal that starts or changes a run, so that the history alone tells what was executed and why. It is plain JSON,
 * holds no manifest of a VM and no secret. Durations and times are milliseconds (times since the Unix epoch).
 */
import type {
  AffinityTerm,
  DeletionPolicy,
  DriftAction,
  Gate,
  MemberKind,
  PowerMode,
  PowerState,
  VirtualMachineStatus,
  VmLocator,
  WhenParked,
} from '../api';
import type { VirtualMachineRef } from './platform-calls';

/** What a run brings members to. `Unchanged`: power is left alone, and VMs are placed only. */
export type DesiredPowerState = PowerState | 'Unchanged';

/** What one run of a group is to do. */
export interface Plan {
  namespace: string;
  name: string;
  uid: string;
  /** Revision of the group's own desired state. */
  revision: string;
  /** Uids of the group and of its ancestors whose desired state is in this plan, outermost first, joined by `/`. */
  lineage: string;
  /** Sum of the generations along the lineage: of two plans with the same lineage the smaller one is stale. */
  generation: number;
  /** Name of the group whose run drives the whole tree; its own name for a group that nobody drives. */
  root: string;
  /** Desired power state, after the rule that a parent outranks its children. */
  powerState: DesiredPowerState;
  /** VMs come into being on the platform only once they are placed: so they are placed whatever power state is wanted. */
  placesAhead?: true;
  powerOffMode?: PowerMode;
  suspendMode?: PowerMode;
  /** A value not seen before asks for one sync of every member, also of those that look in sync. */
  forceSync?: string;
  /** The force sync that the last run carried out: it is not asked for again. */
  syncedAs?: string;
  tiers: PlanTier[];
  policy: PlanPolicy;
  /**
   * The VMs of the namespace outside of this tree that its affinity rules select, or whose rules select VMs of it. Only the plan of a
   * driver has them, and every one that has: a run under an older plan goes on as it was recorded.
   */
  beside?: ({ name: string; uid: string } & SeenByRules)[];
  /** Times at which drift of a VM was corrected lately, by member name; from the outcome of the last run. */
  corrections?: Record<string, number[]>;
}

/** The parts of the policy that hold for the whole run. */
export interface PlanPolicy {
  operationTimeout: number;
  retry: { maximumAttempts: number; initialInterval: number; maximumInterval: number };
  maxConcurrentOperations: number;
  guestShutdownTimeout: number;
  drift: { action: DriftAction; maxCorrections: number; window: number };
  deletion: DeletionPolicy;
}

/** One tier, with the policy that holds for it. */
export interface PlanTier {
  powerOnDelay: number;
  powerOffDelay: number | null;
  gate: Gate;
  gateTimeout: number;
  whenParked: WhenParked;
  /** How many members make the tier done; absent: every one that is not optional. */
  quorum?: number;
  members: PlanMember[];
}

/** What affinity rules see of a VM. Empty parts are left out. */
export interface SeenByRules {
  /** The labels that some rule in the namespace asks for. */
  labels?: Record<string, string>;
  /** Its own rules. */
  affinity?: AffinityTerm[];
}

/** One member, as resolved. */
export interface PlanMember {
  kind: MemberKind;
  name: string;
  /** Absent while the member does not exist. */
  uid?: string;
  /** `NotFound`: no such object yet. `NotMember`: it names no group, or another. Only `Linked` members are touched. */
  link: 'Linked' | 'NotFound' | 'NotMember';
  optional?: true;
  /** A VM's own modes; the group's, where set, outrank them. */
  powerOffMode?: PowerMode;
  suspendMode?: PowerMode;
  /** Name of the platform that a VM is on; absent: the one that the installation uses by default. */
  platform?: string;
  /** Which VM of the platform it is: see {@link VirtualMachineRef.locator}. */
  locator?: VmLocator;
  /** What a VM asks of a host (`memory` in bytes), the zone it is pinned to, and what rules see of it. */
  requests?: { cpus: number; memory: number; zone?: string } & SeenByRules;
  /** What was last observed of a VM; absent: it was never seen on the platform, so it is off. */
  observed?: VirtualMachineStatus;
  /** Of a nested group: its own plan. */
  plan?: Plan;
  /**
   * Set by the bridge where this VM (or one below this group) had reached its desired state under this plan and has left it since: its
   * correction counts against `policy.drift`.
   */
  drifted?: true;
  /**
   * Set by the bridge where the run has parked this VM (or one below this group) and it was observed where it belongs since: it is tried
   * again, so that the run goes on.
   */
  recovered?: true;
  /**
   * Set by the bridge where the last run under the same desired state left this member as it is (parked, skipped, drifted too often): a
   * run that is started for another member leaves it so, until somebody retries it.
   */
  setAside?: { reason: SetAsideReason; message: string };
  /**
   * Of a nested group: everything below it was observed in its desired state (members that an earlier run left as exceptions set aside)
   * at this time.
   */
  convergedAt?: number;
}

/** Why a member is left as it is. */
export type SetAsideReason = 'Parked' | 'Skipped' | 'MarkedReady' | 'Drifted' | 'DriftLimit' | 'NoRoom';

/** Names a member: its name for a VM, `VirtualMachineGroup/name` for a group. Unique within a group. */
export type MemberKey = string;

/** The {@link MemberKey} of a member. */
export function memberKey(member: { kind: MemberKind; name: string }): MemberKey {
  return member.kind === 'VirtualMachine' ? member.name : `VirtualMachineGroup/${member.name}`;
}

/** Workflow id of a group: one open run of a group at most. */
export function workflowId(namespace: string, name: string): string {
  return `vmgroup/${namespace}/${name}`;
}

/** The VM that a member is, as the activities are told of it. */
export function machineRef(
  namespace: string,
  { name, uid = '', locator }: Pick<PlanMember, 'name' | 'uid' | 'locator'>,
): VirtualMachineRef {
  return { namespace, name, uid, ...(locator !== undefined && { locator }) };
}

/** Power state as observed; a VM that was never seen on the platform is off. */
export function observedState(observed: VirtualMachineStatus | undefined): PowerState {
  return observed?.powerState ?? 'PoweredOff';
}

/** Whether a VM is where its group wants it. A VM that is off stays off when its group is suspended. */
export function isInState(desired: DesiredPowerState, observed: VirtualMachineStatus | undefined): boolean {
  if (desired === 'Unchanged') return true;
  const state = observedState(observed);
  return state === desired || (desired === 'Suspended' && state === 'PoweredOff');
}

/** The condition of a VM that a gate asks for, beside `Ready`. */
export function gateCondition(gate: Gate): string | undefined {
  return gate.startsWith('Condition/') ? gate.slice('Condition/'.length) : undefined;
}

/** Whether a VM that is powered on has what a gate asks for beside that. */
export function meetsGate(gate: Gate, observed: VirtualMachineStatus | undefined): boolean {
  if (gate === 'Ready') return observed?.ready === true;
  const type = gateCondition(gate);
  return type === undefined || (observed?.conditions ?? []).includes(type);
}

/** The linked VMs of a tree. */
export function machinesOf({ tiers }: Plan): PlanMember[] {
  return tiers.flatMap(({ members }) =>
    members.flatMap((member) => {
      if (member.link !== 'Linked') return [];
      return member.plan ? machinesOf(member.plan) : member.kind === 'VirtualMachine' ? [member] : [];
    }),
  );
}

/** The mode in which a VM is brought to the plan's power state: the group's outranks the VM's own. */
export function modeFor(plan: Plan, member: PlanMember): PowerMode | undefined {
  switch (plan.powerState) {
    case 'PoweredOn':
    case 'Unchanged':
      return undefined;
    case 'PoweredOff':
      return plan.powerOffMode ?? member.powerOffMode;
    case 'Suspended':
      return plan.suspendMode ?? member.suspendMode;
  }
}

/** How one VM is operated: what an open operation cannot learn once it is scheduled. */
export interface OperationSettings {
  mode?: PowerMode;
  gate: Gate;
  /** Milliseconds. */
  gateTimeout: number;
  operationTimeout: number;
  guestShutdownTimeout: number;
  retry: PlanPolicy['retry'];
}

/** The settings of an operation that brings a member to the plan's power state. */
export function operationSettings(plan: Plan, tier: PlanTier, member: PlanMember): OperationSettings {
  const { operationTimeout, guestShutdownTimeout, retry } = plan.policy;
  const mode = modeFor(plan, member);
  return {
    gate: tier.gate,
    gateTimeout: tier.gateTimeout,
    operationTimeout,
    guestShutdownTimeout,
    retry,
    ...(mode !== undefined && { mode }),
  };
}

/** What was observed, without the conditions that the gate does not ask for: they would only fill histories. */
export function observedForGate(gate: Gate, observed: VirtualMachineStatus): VirtualMachineStatus {
  const { conditions, ...rest } = observed;
  const asked = conditions?.filter((type) => type === gateCondition(gate)) ?? [];
  return asked.length > 0 ? { ...rest, conditions: asked } : rest;
}

/** What a plan says of where its VMs may stand, as text: equal for two plans whose VMs are placed in the same way. */
export function standOf(plan: Plan): string {
  return JSON.stringify([plan.beside, standsOf(plan)]);
}

function standsOf({ tiers }: Plan): unknown[] {
  return tiers.flatMap(({ members }) =>
    members.map(({ name, uid, link, requests, plan }) =>
      plan ? standsOf(plan) : [name, uid, link, requests],
    ),
  );
}

/** What a plan says of the moment, not of the desired state. */
const MOMENTARY = [
  'observed',
  'convergedAt',
  'corrections',
  'drifted',
  'recovered',
  'generation',
  'setAside',
  'syncedAs',
];

/**
 * What a plan wants, as text: the plan without what was observed, and without generations, so that the same content written again is
 * the same. Equal for two plans that want the same of the same members.
 */
export function desireOf(plan: Plan): string {
  return JSON.stringify(plan, (key, value: unknown) => (MOMENTARY.includes(key) ? undefined : value));
}
