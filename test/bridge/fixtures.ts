/** Resources in the internal form, for the tables. */
import type {
  Group,
  Manifests,
  MemberRef,
  ObjectMeta,
  PowerState,
  SequencePolicy,
  SequencePolicySpec,
  Tier,
  VirtualMachine,
  VirtualMachineStatus,
} from '../../api';
import type { Plan, Progress, RunOutcome } from '../../contract';
import { convergedOutcome } from '../../workflows/forecast/ends';

export const NS = 'prod';

export const POLICY: SequencePolicySpec = {
  gateTimeout: 600_000,
  operationTimeout: 300_000,
  retry: { maximumAttempts: 3, initialInterval: 1_000, maximumInterval: 10_000 },
  whenParked: 'Hold',
  optionalMembers: [],
  maxConcurrentOperations: 50,
  drift: { action: 'Enforce', maxCorrections: 3, window: 600_000 },
  guestShutdownTimeout: 60_000,
  deletion: 'Orphan',
  tiers: [],
};

function meta(kind: string, name: string): ObjectMeta {
  return {
    namespace: NS,
    name,
    uid: `${kind}-${name}`,
    generation: 1,
    revision: `${name}@1`,
    labels: {},
    annotations: {},
  };
}

/** A tier of VMs; `g:` before a name makes it a group. */
export function tier(names: string[], over: Partial<Tier> = {}): Tier {
  return { members: names.map(ref), powerOnDelay: 0, powerOffDelay: null, ...over };
}

function ref(name: string): MemberRef {
  return name.startsWith('g:')
    ? { kind: 'VirtualMachineGroup', name: name.slice(2) }
    : { kind: 'VirtualMachine', name };
}

export function group(name: string, tiers: Tier[], over: Partial<Group> = {}): Group {
  return { ...meta('group', name), tiers, ...over };
}

export function vm(name: string, groupName?: string, over: Partial<VirtualMachine> = {}): VirtualMachine {
  return { ...meta('vm', name), affinity: [], ...(groupName !== undefined && { groupName }), ...over };
}

export function policy(name: string, over: Partial<SequencePolicySpec> = {}): SequencePolicy {
  return { ...meta('policy', name), spec: { ...POLICY, ...over } };
}

export function manifests(over: Partial<Manifests>): Manifests {
  return {
    groups: [],
    virtualMachines: [],
    classes: [],
    policies: [policy('default')],
    inventories: [],
    platforms: [],
    ...over,
  };
}

export function seen(powerState: PowerState, over: Partial<VirtualMachineStatus> = {}): VirtualMachineStatus {
  return { powerState, at: 100, ...over };
}

/** Observations by name of the VM. */
export function observing(states: Record<string, PowerState | VirtualMachineStatus>) {
  return ({ name }: { name: string }): VirtualMachineStatus | undefined => {
    const state = states[name];
    return typeof state === 'string' ? seen(state) : state;
  };
}

export function outcome(plan: Plan, over: Partial<RunOutcome> = {}): RunOutcome {
  return {
    ...convergedOutcome(plan, 50),
    startedAt: 10,
    message: 'all members are in the desired state',
    ...over,
  };
}

export function progressOf(plan: Plan, over: Partial<Progress> = {}): Progress {
  return {
    namespace: plan.namespace,
    name: plan.name,
    revision: plan.revision,
    generation: plan.generation,
    lineage: plan.lineage,
    root: plan.root,
    powerState: plan.powerState,
    phase: 'PoweringOn',
    message: 'powering on',
    startedAt: 10,
    tiers: [],
    members: plan.tiers.flatMap((each, index) =>
      each.members.map((member) => ({
        member: member.kind === 'VirtualMachine' ? member.name : `VirtualMachineGroup/${member.name}`,
        tier: index,
        phase: member.link === 'Linked' ? ('Done' as const) : ('Missing' as const),
        since: 50,
      })),
    ),
    placement: { phase: 'Done' },
    placements: {},
    words: [],
    ...over,
  };
}
