/** What plans need and the platforms of their VMs do not have. Pure. */
import { listed, type AffinityTerm, type Probe } from '../api';
import { gateCondition, gateOf, type Plan, type PlanMember, type PlanTier } from '../contract';
import { CAPABILITIES, type Capabilities, type PlatformType } from './capabilities';

/** Something that will not work as the manifests say; the run is not kept from starting. */
export interface Shortfall {
  namespace: string;
  /** Name of the group. */
  group: string;
  platform: PlatformType;
  /** Names of the VMs, in boot order. */
  vms: string[];
  /** What does not work, and what happens instead. */
  what: string;
}

/** The type of the platform that a VM is on; undefined: not known, and the VM is left out. */
export type TypeOf = (vm: { namespace: string; name: string; platform?: string }) => PlatformType | undefined;

/** What the platform of a VM can do; undefined: what platforms of its type can do. */
export type CapabilitiesOf = (vm: Parameters<TypeOf>[0]) => Capabilities | undefined;

/** What the VMs of plans need and their platforms do not have: one entry for each group, platform and lack. Nested plans are given apart. */
export function shortfallsOf(
  plans: readonly Plan[],
  typeOf: TypeOf,
  hasOf: CapabilitiesOf = () => undefined,
): Shortfall[] {
  return plans.flatMap((plan) => {
    const found = new Map<string, Shortfall>();
    for (const { tier, member } of machinesWithTier(plan)) {
      const { namespace, name: group } = plan;
      const { name, platform: given } = member;
      const vm = { namespace, name, ...(given !== undefined && { platform: given }) };
      const platform = typeOf(vm);
      if (platform === undefined) continue;
      for (const what of lacks(plan, tier, member, hasOf(vm) ?? CAPABILITIES[platform])) {
        const key = `${platform} ${what}`;
        const known = found.get(key) ?? { namespace, group, platform, vms: [], what };
        known.vms.push(name);
        found.set(key, known);
      }
    }
    return [...found.values()];
  });
}

/** Most VMs that are named. */
const NAMES = 5;

/** `db, web on platform simulated: nothing reports conditions, ...` */
export function shortfallText({ platform, vms, what }: Shortfall): string {
  return `${listed(vms, NAMES)} on platform ${platform}: ${what}`;
}

function machinesWithTier({ tiers }: Plan): { tier: PlanTier; member: PlanMember }[] {
  return tiers.flatMap((tier) =>
    tier.members
      .filter(({ kind, link }) => kind === 'VirtualMachine' && link === 'Linked')
      .map((member) => ({ tier, member })),
  );
}

function lacks(plan: Plan, tier: PlanTier, member: PlanMember, has: Capabilities): string[] {
  return [...gateLacks(tier, member, has), ...placementLacks(member, has), ...powerLacks(plan, member, has)];
}

/** Whether a probe goes to the guest's own address. */
export function asksGuestAddress({ tcpSocket, httpGet }: Probe): boolean {
  const asked = tcpSocket ?? httpGet;
  return asked !== undefined && asked.host === undefined;
}

function gateLacks(tier: PlanTier, member: PlanMember, has: Capabilities): string[] {
  const gate = gateOf(tier, member);
  const condition = gateCondition(gate);
  if (gate === 'Ready' && !has.gates.includes('Ready'))
    return ['nothing reports readiness, so gate Ready will time out: use gate Probe'];
  if (condition !== undefined && !has.gates.includes('Condition'))
    return [`nothing reports conditions, so gate ${gate} will time out`];
  const probe = gate === 'Probe' ? (member.probe ?? tier.probe) : undefined;
  if (!probe) return [];
  if (asksGuestAddress(probe) && !has.guestAddress)
    return ["the guest's address is not known, so its probe will time out: name a host in the probe"];
  if (probe.guestHeartbeat && !has.guestReports.includes('Heartbeat'))
    return ['nothing reports heartbeats of guests, so its readinessProbe will time out'];
  return probe.guestInfo && !has.guestReports.includes('GuestInfo')
    ? ['nothing reports guest info, so its readinessProbe will time out']
    : [];
}

function placementLacks({ requests }: PlanMember, { placement }: Capabilities): string[] {
  const rules = requests?.affinity ?? [];
  if (placement === 'Platform' && rules.length > 0)
    return ['the platform places VMs by itself, so affinity rules have no effect'];
  if (placement === 'HostsOrDrs' && rules.length > 0)
    return ['where DRS places VMs, affinity rules have no effect: set spec.vsphere.drsRules of the Platform'];
  if (placement === 'HostsOrDrsRules') return drsLacks(rules);
  const overHosts = rules.some(
    ({ strength, topologyKey }) => strength === 'Required' && topologyKey === 'kubernetes.io/hostname',
  );
  return placement === 'Zones' && overHosts
    ? ['only zones are chosen here, so required rules over hosts are left to the platform']
    : [];
}

function drsLacks(rules: readonly AffinityTerm[]): string[] {
  const preferred = rules.some(({ strength }) => strength === 'Preferred');
  const overZones = rules.some(
    ({ strength, topologyKey }) => strength === 'Required' && topologyKey === 'topology.kubernetes.io/zone',
  );
  return [
    ...(preferred ? ['where DRS places VMs, preferred affinity rules have no effect'] : []),
    ...(overZones
      ? ['where DRS places VMs, affinity rules over zones have no effect: a VM stays in its cluster']
      : []),
  ];
}

function powerLacks(plan: Plan, member: PlanMember, { suspend, softShutdown }: Capabilities): string[] {
  const found: string[] = [];
  if (plan.powerState === 'Suspended' && suspend === 'Paused')
    found.push('Suspended only pauses a VM: its memory stays on its host, and is lost with that');
  if (softShutdown) return found;
  if ((plan.powerOffMode ?? member.powerOffMode) === 'Soft')
    found.push('the guest cannot be reached, so powerOffMode Soft will time out: use TrySoft or Hard');
  if ((plan.suspendMode ?? member.suspendMode) === 'Soft')
    found.push('the guest cannot be reached, so suspendMode Soft will time out: use TrySoft or Hard');
  return found;
}
