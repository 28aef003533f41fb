/**
 * Resolves groups, VMs, classes and policies into the plan of each run. Pure.
 *
 * RESOLVE-1: the driver of a tree is the topmost group with a power state; all groups below it get that state, whatever they say themselves.
 * RESOLVE-2: only members that name the group are linked; a listed object that names no group or another one is never touched.
 * RESOLVE-3: a member that names the group and is not listed is powered after the last tier.
 * RESOLVE-4: on a platform that creates VMs only once they are placed, a tree without a driver is driven by its topmost group, which leaves
 *     power alone and leaves out the groups below it that have a power state: they are drivers of their own.
 */
import {
  DEFAULT_POLICY,
  type Group,
  type Manifests,
  type MemberRef,
  type PowerMode,
  type SequencePolicySpec,
  type TierPolicy,
  type VirtualMachine,
  type VirtualMachineStatus,
} from '../../api';
import {
  isInState,
  meetsGate,
  memberKey,
  observedForGate,
  type DesiredPowerState,
  type MemberKey,
  type Plan,
  type PlanMember,
  type PlanPolicy,
  type PlanTier,
  type RunException,
  type RunOutcome,
} from '../../contract';
import { excusedMembers, setAside, standingExceptions } from './desired';
import {
  compareNames,
  driverOf,
  indexManifests,
  objectKey,
  policyOf,
  type ManifestIndex,
} from '../manifests';
import { besideOf, seenByRules } from './neighbours';

/** What is known beside the manifests. All parts may be left out: then nothing was observed and nothing ever ran. */
export interface World {
  /** What was last observed of a VM; undefined: it was never seen on the platform. */
  observe?: (vm: VirtualMachine) => VirtualMachineStatus | undefined;
  /** How the last run of a group ended. */
  lastOutcome?: (group: Group) => RunOutcome | undefined;
  /** Whether what the group's last run did may not have been observed yet. */
  isNews?: (group: Group) => boolean;
  /** Whether a run of the group is open. */
  isRunning?: (group: Group) => boolean;
  /** VMs come into being on the platform only once they are placed: see {@link Plan.placesAhead}. */
  placesAhead?: boolean;
}

/** A member as resolved, before anything is known of power. */
export interface ResolvedMember {
  ref: MemberRef;
  link: PlanMember['link'];
  vm?: VirtualMachine;
  group?: Group;
}

/** One tier with its members looked up. `index` counts from 0; the tier of unlisted members comes last. */
export interface ResolvedTier {
  index: number;
  powerOnDelay: number;
  powerOffDelay: number | null;
  members: ResolvedMember[];
}

/** The plans of all drivers, in order of namespace and name. */
export function resolveTrees(manifests: Manifests, world: World = {}): Plan[] {
  const index = indexManifests(manifests);
  return [...index.groups.values()]
    .filter((group) => driverOf(index, group, world.placesAhead) === group)
    .sort((a, b) => compareNames(objectKey(a), objectKey(b)))
    .flatMap((group) => resolvePlan(index, group, world) ?? []);
}

/** The plan of one group as its own driver; undefined where it has no power state of its own, and but for RESOLVE-4. */
export function resolvePlan(index: ManifestIndex, group: Group, world: World = {}): Plan | undefined {
  const powerState = group.powerState ?? (world.placesAhead ? 'Unchanged' : undefined);
  if (powerState === undefined) return undefined;
  const plan = planOf(index, world, group, {
    powerState,
    root: group.name,
    lineage: [],
    generation: 0,
    above: [],
  });
  return { ...plan, beside: besideOf(index, group.namespace, plansOf(plan)) };
}

/** A plan and the plans nested in it. */
export function plansOf(plan: Plan | undefined): Plan[] {
  if (!plan) return [];
  return [plan, ...plan.tiers.flatMap((tier) => tier.members.flatMap((member) => plansOf(member.plan)))];
}

/** The members of a group tier by tier, looked up; those that name the group and are not listed come in a last tier. */
export function resolveTiers(index: ManifestIndex, group: Group): ResolvedTier[] {
  const tiers: ResolvedTier[] = group.tiers.map((tier, at) => ({
    index: at,
    powerOnDelay: tier.powerOnDelay,
    powerOffDelay: tier.powerOffDelay,
    members: tier.members.map((ref) => resolveMember(index, group, ref)),
  }));
  const unlisted = unlistedMembers(index, group);
  if (unlisted.length > 0) {
    tiers.push({ index: tiers.length, powerOnDelay: 0, powerOffDelay: null, members: unlisted });
  }
  return tiers;
}

function resolveMember(index: ManifestIndex, group: Group, ref: MemberRef): ResolvedMember {
  const key = objectKey({ namespace: group.namespace, name: ref.name });
  if (ref.kind === 'VirtualMachine') {
    const vm = index.virtualMachines.get(key);
    return vm ? { ref, link: linkOf(vm, group), vm } : { ref, link: 'NotFound' };
  }
  const child = index.groups.get(key);
  return child ? { ref, link: linkOf(child, group), group: child } : { ref, link: 'NotFound' };
}

function linkOf(object: { groupName?: string }, group: Group): PlanMember['link'] {
  return object.groupName === group.name ? 'Linked' : 'NotMember';
}

function unlistedMembers(index: ManifestIndex, group: Group): ResolvedMember[] {
  const listed = new Set(group.tiers.flatMap((tier) => tier.members.map(memberKey)));
  const key = objectKey(group);
  const groups = (index.childGroups.get(key) ?? []).map((child): ResolvedMember => ({
    ref: { kind: 'VirtualMachineGroup', name: child.name },
    link: 'Linked',
    group: child,
  }));
  const machines = (index.childMachines.get(key) ?? []).map((vm): ResolvedMember => ({
    ref: { kind: 'VirtualMachine', name: vm.name },
    link: 'Linked',
    vm,
  }));
  return [...groups, ...machines].filter((member) => !listed.has(memberKey(member.ref)));
}

/** What a plan takes from the plans above it. */
interface Inherited {
  powerState: DesiredPowerState;
  root: string;
  lineage: string[];
  generation: number;
  powerOffMode?: PowerMode;
  suspendMode?: PowerMode;
  forceSync?: string;
  above: Group[];
}

function planOf(index: ManifestIndex, world: World, group: Group, from: Inherited): Plan {
  const policy = policyOf(index, group)?.spec ?? DEFAULT_POLICY;
  const powerOffMode = from.powerOffMode ?? group.powerOffMode;
  const suspendMode = from.suspendMode ?? group.suspendMode;
  const forceSync = [from.forceSync, forceSyncToken(group)].filter((token) => token !== undefined).join(';');
  const inherited: Inherited = {
    powerState: from.powerState,
    root: from.root,
    lineage: [...from.lineage, group.uid],
    generation: from.generation + group.generation,
    ...(powerOffMode && { powerOffMode }),
    ...(suspendMode && { suspendMode }),
    ...(forceSync && { forceSync }),
    above: [...from.above, group],
  };
  const outcome = world.lastOutcome?.(group);
  const corrections = outcome?.corrections ?? {};
  const plan: Plan = {
    namespace: group.namespace,
    name: group.name,
    uid: group.uid,
    revision: group.revision,
    lineage: inherited.lineage.join('/'),
    generation: inherited.generation,
    root: from.root,
    powerState: from.powerState,
    ...(world.placesAhead && { placesAhead: true as const }),
    ...(powerOffMode && { powerOffMode }),
    ...(suspendMode && { suspendMode }),
    ...(forceSync && { forceSync }),
    ...(outcome?.forceSync !== undefined && { syncedAs: outcome.forceSync }),
    tiers: resolveTiers(index, group).map((tier) => planTier(index, world, tier, policy, inherited)),
    policy: planPolicy(policy),
    ...(Object.keys(corrections).length > 0 && { corrections }),
  };
  const standing = standingExceptions(plan, outcome);
  return standing.size > 0 ? withSetAside(plan, standing) : plan;
}

/** The plan with a mark on the members that the last run left as they are. */
function withSetAside(plan: Plan, standing: Map<MemberKey, RunException>): Plan {
  const mark = (member: PlanMember): PlanMember => {
    const reason = setAside(standing.get(memberKey(member)));
    return reason ? { ...member, setAside: reason } : member;
  };
  return { ...plan, tiers: plan.tiers.map((tier) => ({ ...tier, members: tier.members.map(mark) })) };
}

/** What identifies a force sync. `now` stands in the file until somebody takes it out, so there it counts once a revision. */
export function forceSyncToken(group: Group): string | undefined {
  const value = group.nextForcePowerStateSyncTime;
  if (value === undefined || value === '') return undefined;
  return value.toLowerCase() === 'now' ? `now@${group.revision}` : value;
}

function planTier(
  index: ManifestIndex,
  world: World,
  tier: ResolvedTier,
  policy: SequencePolicySpec,
  inherited: Inherited,
): PlanTier {
  const own: Partial<TierPolicy> = policy.tiers.find((candidate) => candidate.tier === tier.index) ?? {};
  const gate = own.gate ?? policy.gate;
  const quorum = resolveQuorum(own.quorum ?? policy.quorum, tier.members.length);
  return {
    powerOnDelay: tier.powerOnDelay,
    powerOffDelay: tier.powerOffDelay,
    gate,
    gateTimeout: own.gateTimeout ?? policy.gateTimeout,
    whenParked: own.whenParked ?? policy.whenParked,
    ...(quorum !== undefined && { quorum }),
    members: tier.members.map((member) => {
      const planned = planMember(index, world, member, policy, inherited);
      return planned.observed ? { ...planned, observed: observedForGate(gate, planned.observed) } : planned;
    }),
  };
}

/** How many of `size` members a quorum asks for: percents round up, and no quorum asks for more than there are. */
export function resolveQuorum(quorum: number | `${number}%` | undefined, size: number): number | undefined {
  if (quorum === undefined) return undefined;
  if (typeof quorum === 'number') return Math.min(quorum, size);
  // Without the subtraction 7 % of 100 is 7.000000000000001 in floating point, and rounds up to 8.
  const share = Math.ceil((Number.parseFloat(quorum) * size) / 100 - 1e-9);
  return Math.min(Math.max(share, 0), size);
}

function planMember(
  index: ManifestIndex,
  world: World,
  member: ResolvedMember,
  policy: SequencePolicySpec,
  inherited: Inherited,
): PlanMember {
  const base: PlanMember = { ...member.ref, link: member.link };
  const uid = member.vm?.uid ?? member.group?.uid;
  if (uid !== undefined) base.uid = uid;
  if (policy.optionalMembers.some((optional) => memberKey(optional) === memberKey(member.ref)))
    base.optional = true;
  if (member.link !== 'Linked') return base;
  if (member.vm) return { ...base, ...machineParts(index, world, member.vm, inherited) };
  // RESOLVE-4.
  if (member.group?.powerState && inherited.powerState === 'Unchanged') return base;
  if (member.group && !inherited.above.includes(member.group)) {
    return { ...base, ...groupParts(index, world, member.group, inherited) };
  }
  // A group that is its own ancestor: see `ancestry`.
  return { ...base, link: 'NotMember' };
}

function machineParts(
  index: ManifestIndex,
  world: World,
  vm: VirtualMachine,
  { above: [driver] }: Inherited,
): Partial<PlanMember> {
  const released = driver && world.isNews?.(driver) ? world.lastOutcome?.(driver)?.released : undefined;
  const observed = sinceRelease(world.observe?.(vm), vm, released);
  const requests = requestsOf(index, vm);
  return {
    ...(vm.powerOffMode && { powerOffMode: vm.powerOffMode }),
    ...(vm.suspendMode && { suspendMode: vm.suspendMode }),
    ...(requests && { requests }),
    ...(observed && { observed }),
  };
}

/** A place that the driver's last run gave back a moment ago may still be observed. */
function sinceRelease(
  observed: VirtualMachineStatus | undefined,
  { name }: VirtualMachine,
  released: readonly string[] | undefined,
): VirtualMachineStatus | undefined {
  if (!observed?.placement || !released?.includes(name)) return observed;
  const { placement: _released, ...rest } = observed;
  return rest;
}

function requestsOf(index: ManifestIndex, vm: VirtualMachine): PlanMember['requests'] {
  const machineClass =
    vm.className === undefined
      ? undefined
      : index.classes.get(objectKey({ namespace: vm.namespace, name: vm.className }));
  const seen = seenByRules(index, vm);
  if (!machineClass && vm.zone === undefined && !seen.labels && !seen.affinity) return undefined;
  return {
    cpus: machineClass?.cpus ?? 0,
    memory: machineClass?.memory ?? 0,
    ...(vm.zone !== undefined && { zone: vm.zone }),
    ...seen,
  };
}

function groupParts(
  index: ManifestIndex,
  world: World,
  group: Group,
  inherited: Inherited,
): Partial<PlanMember> {
  const plan = planOf(index, world, group, inherited);
  const convergedAt = world.isRunning?.(group) ? undefined : convergedSince(plan, world.lastOutcome?.(group));
  return { plan, ...(convergedAt !== undefined && { convergedAt }) };
}

/**
 * When the last VM below a group came into its desired state, in milliseconds since the epoch (0 where there is none, or it was never
 * anywhere else); undefined where something is not there. A running child group is never there: its parent has to ask it.
 */
function convergedSince(plan: Plan, outcome: RunOutcome | undefined): number | undefined {
  const excused = excusedMembers(plan, outcome);
  let latest = 0;
  for (const tier of plan.tiers) {
    for (const member of tier.members) {
      if (member.link === 'NotMember' || excused.has(memberKey(member))) continue;
      const seen = memberConvergedAt(plan, tier, member);
      if (seen === undefined) return undefined;
      latest = Math.max(latest, seen);
    }
  }
  return latest;
}

function memberConvergedAt(plan: Plan, tier: PlanTier, member: PlanMember): number | undefined {
  if (member.link === 'NotFound') return undefined;
  if (member.kind === 'VirtualMachineGroup') return member.convergedAt;
  if (!isInState(plan.powerState, member.observed)) return undefined;
  if (plan.powerState === 'PoweredOn' && !meetsGate(tier.gate, member.observed)) return undefined;
  return member.observed?.since ?? member.observed?.at ?? 0;
}

function planPolicy(policy: SequencePolicySpec): PlanPolicy {
  return {
    operationTimeout: policy.operationTimeout,
    retry: { ...policy.retry },
    maxConcurrentOperations: policy.maxConcurrentOperations,
    guestShutdownTimeout: policy.guestShutdownTimeout,
    drift: { ...policy.drift },
    deletion: policy.deletion,
  };
}
