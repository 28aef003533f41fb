/** Resolves one group, with all groups below it, into a plan. Pure. */
import {
  DEFAULT_POLICY,
  type Group,
  type MemberPolicy,
  type PowerMode,
  type SequencePolicySpec,
  type TierPolicy,
  type VirtualMachine,
  type VirtualMachineStatus,
} from '../../api';
import {
  memberKey,
  observedForGate,
  type DesiredPowerState,
  type MemberKey,
  type Plan,
  type PlanMember,
  type PlanPolicy,
  type PlanTier,
  type RunException,
} from '../../contract';
import { objectKey, policyOf, type ManifestIndex } from '../manifests';
import { convergedSince } from './converged';
import { setAside, standingExceptions } from './exceptions';
import { forceSyncToken } from './force-sync';
import { memberGate, plannedTierGate, tierGate } from './gates';
import { seenByRules } from './neighbours';
import { resolveTiers, type ResolvedMember, type ResolvedTier } from './tiers';
import type { World } from './world';

/** What plans are resolved from. */
export interface PlanSource {
  index: ManifestIndex;
  world: World;
}

/** What a plan takes from the plans above it. */
export interface Inherited {
  powerState: DesiredPowerState;
  root: string;
  lineage: string[];
  generation: number;
  powerOffMode?: PowerMode;
  suspendMode?: PowerMode;
  forceSync?: string;
  test?: true;
  above: Group[];
}

/** The plan of a group under what it inherits. */
export function planOf({ index, world }: PlanSource, group: Group, from: Inherited): Plan {
  const policy = policyOf(index, group)?.spec ?? DEFAULT_POLICY;
  const inherited = inheritedFrom(group, from);
  const { powerOffMode, suspendMode, forceSync } = inherited;
  const gates = new Map(policy.members?.map((member) => [member.name, member]));
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
    ...(inherited.test && { test: true as const }),
    tiers: resolveTiers(index, group).map((tier) =>
      planTier({ index, world }, tier, policy, gates, inherited),
    ),
    policy: planPolicy(policy),
    ...(Object.keys(corrections).length > 0 && { corrections }),
  };
  const standing = standingExceptions(plan, outcome);
  return standing.size > 0 ? withSetAside(plan, standing) : plan;
}

/** What the groups below this one take from it. */
function inheritedFrom(group: Group, from: Inherited): Inherited {
  const powerOffMode = from.powerOffMode ?? group.powerOffMode;
  const suspendMode = from.suspendMode ?? group.suspendMode;
  const forceSync = [from.forceSync, forceSyncToken(group)].filter((token) => token !== undefined).join(';');
  return {
    powerState: from.powerState,
    root: from.root,
    lineage: [...from.lineage, group.uid],
    generation: from.generation + group.generation,
    ...(powerOffMode && { powerOffMode }),
    ...(suspendMode && { suspendMode }),
    ...(forceSync && { forceSync }),
    ...((from.test || group.test) && { test: true as const }),
    above: [...from.above, group],
  };
}

/** The plan with a mark on the members that the last run left as they are. */
function withSetAside(plan: Plan, standing: Map<MemberKey, RunException>): Plan {
  const mark = (member: PlanMember): PlanMember => {
    const reason = setAside(standing.get(memberKey(member)));
    return reason ? { ...member, setAside: reason } : member;
  };
  return { ...plan, tiers: plan.tiers.map((tier) => ({ ...tier, members: tier.members.map(mark) })) };
}

function planTier(
  source: PlanSource,
  tier: ResolvedTier,
  policy: SequencePolicySpec,
  gates: ReadonlyMap<string, MemberPolicy>,
  inherited: Inherited,
): PlanTier {
  const own: Partial<TierPolicy> = policy.tiers.find((candidate) => candidate.tier === tier.index) ?? {};
  const said = tierGate(policy, own);
  const planned = plannedTierGate(said);
  const quorum = resolveQuorum(own.quorum ?? policy.quorum, tier.members.length);
  return {
    powerOnDelay: tier.powerOnDelay,
    powerOffDelay: tier.powerOffDelay,
    ...planned,
    whenParked: own.whenParked ?? policy.whenParked,
    ...(quorum !== undefined && { quorum }),
    ...(own.targets && { targets: { ...own.targets } }),
    members: tier.members.map((member) => {
      const { ref, vm } = member;
      const machine = {
        ...planMember(source, member, policy, inherited),
        ...(vm && memberGate(said, gates.get(ref.name), vm, source.world.probesItself?.(vm) ?? false)),
      };
      const { observed } = machine;
      if (!observed) return machine;
      return { ...machine, observed: observedForGate(machine.gate ?? planned.gate, observed) };
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
  source: PlanSource,
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
  if (member.vm) return { ...base, ...machineFields(source, member.vm, inherited) };
  // RESOLVE-4.
  if (member.group?.powerState && inherited.powerState === 'Unchanged') return base;
  if (member.group && !inherited.above.includes(member.group)) {
    return { ...base, ...nestedFields(source, member.group, inherited) };
  }
  // A group that is its own ancestor, see `ancestry`.
  return { ...base, link: 'NotMember' };
}

function machineFields(
  { index, world }: PlanSource,
  vm: VirtualMachine,
  { above: [driver] }: Inherited,
): Partial<PlanMember> {
  const released = driver && world.isWatchBehind?.(driver) ? world.released?.(driver) : undefined;
  const observed = withLastingPlace(world, vm, released);
  const reportedAfter = world.reportedAfter?.(vm);
  const requests = requestsOf(index, vm);
  const platform = world.platformOf?.(vm);
  return {
    ...(vm.powerOffMode && { powerOffMode: vm.powerOffMode }),
    ...(vm.suspendMode && { suspendMode: vm.suspendMode }),
    ...(platform !== undefined && { platform }),
    ...(vm.locator !== undefined && { locator: vm.locator }),
    ...(requests && { requests }),
    ...(observed && { observed }),
    ...(!observed && world.isUnseen?.(vm) && { unseen: true as const }),
    ...(reportedAfter !== undefined && { reportedAfter }),
  };
}

/**
 * What was observed of a VM. Without a place that the driver's last run gave back, as the watch may still report it, or that another run may
 * still give back (RESOLVE-5).
 */
function withLastingPlace(
  world: World,
  vm: VirtualMachine,
  released: readonly string[] | undefined,
): VirtualMachineStatus | undefined {
  const observed = world.observe?.(vm);
  if (!observed?.placement) return observed;
  const isPromise = observed.powerState !== 'PoweredOn' && world.mayLosePlace?.(vm) === true;
  if (!isPromise && !released?.includes(vm.name)) return observed;
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

function nestedFields(source: PlanSource, group: Group, inherited: Inherited): Partial<PlanMember> {
  const { isRunning, lastOutcome } = source.world;
  const plan = planOf(source, group, inherited);
  const convergedAt = isRunning?.(group) ? undefined : convergedSince(plan, lastOutcome?.(group));
  return { plan, ...(convergedAt !== undefined && { convergedAt }) };
}

function planPolicy(policy: SequencePolicySpec): PlanPolicy {
  return {
    operationTimeout: policy.operationTimeout,
    retry: { ...policy.retry },
    maxConcurrentOperations: policy.maxConcurrentOperations,
    guestShutdownTimeout: policy.guestShutdownTimeout,
    drift: { ...policy.drift },
    deletion: policy.deletion,
    ...(policy.questions && { questions: policy.questions }),
    ...(policy.targets && { targets: { ...policy.targets } }),
  };
}
