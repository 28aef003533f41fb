/**
 * The plan of a run: everything that decides what the run does, resolved from the resources by {@link resolvePlan} in `bridge/`.
 *
 * The signal that starts or changes a run carries it, so that the history alone shows what was executed and why. It is plain JSON and
 * contains neither manifests of VMs nor secrets. Durations and times are milliseconds (times since the Unix epoch).
 */
import type {
  AffinityTerm,
  DeletionPolicy,
  DriftAction,
  Gate,
  MemberKind,
  PowerMode,
  PowerState,
  Probe,
  QuestionPolicy,
  RecoveryTargets,
  VirtualMachineStatus,
  VmLocator,
  WhenParked,
} from '../api';
import type { VirtualMachineRef } from './platform-calls';

/** The power state that a run establishes. `Unchanged`: VMs are placed, and their power is left alone. */
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
  /** Name of the group whose run drives the whole tree; for a group without a parent, its own name. */
  root: string;
  /** Desired power state; that of a parent outranks those of its children. */
  powerState: DesiredPowerState;
  /** The platform creates VMs only once they are placed, so they are placed for every desired power state. */
  placesAhead?: true;
  powerOffMode?: PowerMode;
  suspendMode?: PowerMode;
  /** A value not seen before asks for one sync of every member, also of those that look in sync. */
  forceSync?: string;
  /** The force sync that the last run carried out: it is not repeated. */
  syncedAs?: string;
  /** The run is a rehearsal: reports compare it with rehearsals. */
  test?: true;
  tiers: PlanTier[];
  policy: PlanPolicy;
  /**
   * VMs of the namespace outside this tree that are selected by its affinity rules, or whose rules select VMs of the tree. Every plan of a
   * driver has them, except those of older builds: a run under such a plan continues as recorded.
   */
  beside?: ({ name: string; uid: string } & SeenByRules)[];
  /** Times of recent corrections of drift, by member name; from the outcome of the last run. */
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
  /** Answers to questions of the platform. */
  questions?: QuestionPolicy[];
  /** Of the whole run: for reports, it changes nothing that the run does. */
  targets?: RecoveryTargets;
}

/** One tier, with the policy that holds for it. */
export interface PlanTier {
  powerOnDelay: number;
  powerOffDelay: number | null;
  gate: Gate;
  gateTimeout: number;
  /** With gate `Probe`, unless each of its members has its own. */
  probe?: Probe;
  whenParked: WhenParked;
  /** How many members make the tier done; absent: every one that is not optional. */
  quorum?: number;
  /** As {@link PlanPolicy.targets}, for this tier. */
  targets?: RecoveryTargets;
  members: PlanMember[];
}

/** The properties of a VM that affinity rules use. Empty ones are omitted. */
export interface SeenByRules {
  /** The labels that rules in the namespace select by. */
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
  /** `NotFound`: the object does not exist yet. `NotMember`: it names no group, or another one. Only `Linked` members are touched. */
  link: 'Linked' | 'NotFound' | 'NotMember';
  optional?: true;
  /** What the policy says for this VM, where it differs from its tier. */
  gate?: Gate;
  gateTimeout?: number;
  probe?: Probe;
  /** A VM's own modes; the group's, where set, outrank them. */
  powerOffMode?: PowerMode;
  suspendMode?: PowerMode;
  /** Name of the platform that a VM is on; absent: the one that the installation uses by default. */
  platform?: string;
  /** Which VM of the platform it is: see {@link VirtualMachineRef.locator}. */
  locator?: VmLocator;
  /** The resources that a VM requests (`memory` in bytes), the zone that it is pinned to, and the properties that rules use. */
  requests?: { cpus: number; memory: number; zone?: string } & SeenByRules;
  /** The last observation of a VM; absent: the platform does not have it, so it is off, unless it is `unseen`. */
  observed?: VirtualMachineStatus;
  /** Set by the bridge where it is not known whether the platform has the VM: it could not be read yet, or cannot tell. No power state counts. */
  unseen?: true;
  /**
   * Set by the bridge where `observed` has no version, and the platform reported it after the bridge heard from the run that this member has been in
   * its phase since this time: `since` of {@link MemberProgress}. The run takes `observed` for newer than its own only if that is still so.
   */
  reportedAfter?: number;
  /** Of a nested group: its own plan. */
  plan?: Plan;
  /**
   * Set by the bridge if this VM (or one below this group) reached its desired state under this plan and has left it since: its correction
   * counts against `policy.drift`.
   */
  drifted?: true;
  /**
   * Set by the bridge if the run has parked this VM (or one below this group) and it was observed in its desired state since: the run tries
   * it again, and continues.
   */
  recovered?: true;
  /**
   * Set by the bridge if the last run for the same desired state left this member as it is (parked, skipped, drifted too often): a run that
   * starts for another member leaves it so too, until an operator retries it.
   */
  setAside?: { reason: SetAsideReason; message: string };
  /**
   * Of a nested group: the time at which all of its members, apart from exceptions of an earlier run, were observed in their desired state.
   */
  convergedAt?: number;
}

/** Why a member is left as it is. */
export type SetAsideReason = 'Parked' | 'Skipped' | 'MarkedReady' | 'Drifted' | 'DriftLimit' | 'NoRoom';

/** Identifies a member: the name of a VM, `VirtualMachineGroup/name` for a group. Unique within a group. */
export type MemberKey = string;

/** The {@link MemberKey} of a member. */
export function memberKey(member: { kind: MemberKind; name: string }): MemberKey {
  return member.kind === 'VirtualMachine' ? member.name : `VirtualMachineGroup/${member.name}`;
}

/** Workflow id of a group, so that a group has at most one open run. */
export function workflowId(namespace: string, name: string): string {
  return `vmgroup/${namespace}/${name}`;
}

/** The group whose run has this workflow id; undefined: it is no run of a group. */
export function groupOfWorkflow(id: string): { namespace: string; group: string } | undefined {
  const [, namespace, group] = /^vmgroup\/([^/]+)\/([^/]+)$/.exec(id) ?? [];
  return namespace !== undefined && group !== undefined ? { namespace, group } : undefined;
}

/** The member that an activity is about, by its id: `power-on/db`; undefined: it is about the whole group. */
export function memberOfActivity(activityId: string): MemberKey | undefined {
  const at = activityId.indexOf('/');
  return at === -1 ? undefined : activityId.slice(at + 1);
}

/** The VM that a member is, as passed to activities. */
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

/** Whether a VM is in the power state that its group wants. A VM that is off stays off when its group is suspended. */
export function isInState(desired: DesiredPowerState, observed: VirtualMachineStatus | undefined): boolean {
  if (desired === 'Unchanged') return true;
  const state = observedState(observed);
  return state === desired || (desired === 'Suspended' && state === 'PoweredOff');
}

/** Whether a member that is a VM is known to be in that power state. */
export function isSeenIn(desired: DesiredPowerState, { observed, unseen }: PlanMember): boolean {
  return desired === 'Unchanged' || (!unseen && isInState(desired, observed));
}

/** The condition of a VM that a gate requires, apart from `Ready`. */
export function gateCondition(gate: Gate): string | undefined {
  return gate.startsWith('Condition/') ? gate.slice('Condition/'.length) : undefined;
}

/** The gate of one member of a tier. */
export function gateOf(tier: PlanTier, member: PlanMember): Gate {
  return member.gate ?? tier.gate;
}

/** Whether what was observed of a VM that is powered on meets a gate. `Probe` is never met so: each operation asks the guest. */
export function meetsGate(gate: Gate, observed: VirtualMachineStatus | undefined): boolean {
  if (gate === 'Probe') return false;
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

/** The mode in which a VM is powered off or suspended: that of the group outranks its own. */
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

/** Settings of one power operation. They are fixed once it is scheduled. */
export interface OperationSettings {
  mode?: PowerMode;
  gate: Gate;
  /** Milliseconds. */
  gateTimeout: number;
  /** With gate `Probe`. */
  probe?: Probe;
  operationTimeout: number;
  guestShutdownTimeout: number;
  retry: PlanPolicy['retry'];
  questions?: QuestionPolicy[];
}

/** The settings of the operation that brings a member to the power state of the plan. */
export function operationSettings(plan: Plan, tier: PlanTier, member: PlanMember): OperationSettings {
  const { operationTimeout, guestShutdownTimeout, retry, questions } = plan.policy;
  const mode = modeFor(plan, member);
  const gate = gateOf(tier, member);
  const probe = gate === 'Probe' ? (member.probe ?? tier.probe) : undefined;
  return {
    gate,
    gateTimeout: member.gateTimeout ?? tier.gateTimeout,
    ...(probe && { probe }),
    operationTimeout,
    guestShutdownTimeout,
    retry,
    ...(questions && { questions }),
    ...(mode !== undefined && { mode }),
  };
}

/** What was observed, without the address and the conditions that the gate does not ask for: they would only fill histories. */
export function observedForGate(gate: Gate, observed: VirtualMachineStatus): VirtualMachineStatus {
  const { conditions, address: _address, ...rest } = observed;
  const asked = conditions?.filter((type) => type === gateCondition(gate)) ?? [];
  return asked.length > 0 ? { ...rest, conditions: asked } : rest;
}

/** Everything in a plan that affects placement, as text: equal for two plans whose VMs are placed in the same way. */
export function standOf(plan: Plan): string {
  return JSON.stringify([plan.beside, standsOf(plan)]);
}

function standsOf({ tiers }: Plan): unknown[] {
  return tiers.flatMap(({ members }) =>
    members.map(({ name, uid, link, requests, platform, locator, plan }) =>
      plan ? standsOf(plan) : [name, uid, link, requests, platform, locator],
    ),
  );
}

/** Fields of a plan that describe the present moment, not the desired state. */
const MOMENTARY = [
  'observed',
  'unseen',
  'reportedAfter',
  'convergedAt',
  'corrections',
  'drifted',
  'recovered',
  'generation',
  'setAside',
  'syncedAs',
];

/**
 * The desired state of a plan, as text: without observations, and without generations, so that writing the same content again makes no
 * difference. Equal for two plans that want the same of the same members.
 */
export function desireOf(plan: Plan): string {
  return JSON.stringify(plan, (key, value: unknown) => (MOMENTARY.includes(key) ? undefined : value));
}
