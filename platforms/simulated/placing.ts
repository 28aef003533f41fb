/**
 * Where VMs go on the simulated platform, and whether an answer of the solver may stand.
 *
 * C1: what stands on a host never exceeds its `cpus` and `memory`; the reservation lasts as long as the VM exists, on or off.
 * C2: no VM is placed where a required rule of its own, or of a VM that is there, would be broken.
 *
 * {@link mistakes} looks at both again, place by place, and shares nothing with the search but what a selector selects.
 */
import type { AffinityTerm, SimulatedInventory } from '../../api';
import {
  selects,
  type PlacedVm,
  type PlacementProblem,
  type PlacementVm,
  type VmPlacement,
} from '../../placement';
import type { PlacementRequest } from '../platform';

/** A VM as the solver is told of it. Its name stands for its uid: no name is there twice, and under a new uid it takes the old one's place. */
export function placementVm({
  vm: { namespace, name },
  cpus,
  memory,
  zone,
  labels = {},
  affinity = [],
}: PlacementRequest): PlacementVm {
  const uid = `${namespace}/${name}`;
  return { namespace, name, uid, labels, cpus, memory, affinity, ...(zone !== undefined && { zone }) };
}

/** What the solver is asked for VMs on an inventory. */
export function placementProblem(
  { hosts, datastores }: SimulatedInventory,
  vms: PlacementVm[],
  placed: PlacedVm[],
): PlacementProblem {
  return {
    vms,
    placed,
    hosts,
    datastores: datastores.map(({ name, id, zones, capacity }) => ({ name, id, zones, free: capacity })),
  };
}

/** A VM in its place. */
interface Standing {
  vm: PlacementVm;
  /** It is placed now. */
  isNew: boolean;
  zone: string;
  host: string | undefined;
}

/** What is wrong with places for the VMs of a problem, in words; nothing: they may stand. */
export function mistakes(problem: PlacementProblem, placements: readonly VmPlacement[]): string[] {
  const places = new Map(placements.map(({ uid, placement }) => [uid, placement]));
  const zoneOf = new Map(problem.hosts.map(({ name, zone }) => [name, zone]));
  const stand = (vm: PlacementVm, isNew: boolean, zone: string, host: string | undefined): Standing => ({
    ...{ vm, isNew, host },
    zone: (host === undefined ? undefined : zoneOf.get(host)) ?? zone,
  });
  const fresh = problem.vms.flatMap((vm) => {
    const place = places.get(vm.uid);
    return place ? [stand(vm, true, place.zoneID, place.node)] : [];
  });
  const there = problem.placed.map((vm) => stand(vm, false, vm.placement.zoneID, vm.placement.node));
  return [
    ...problem.vms.filter(({ uid }) => !places.has(uid)).map((vm) => `${nameOf(vm)} has no place`),
    ...fresh.flatMap((one) => wrongPlace(problem, one, zoneOf)),
    ...overcommitted(problem, fresh, there),
    ...brokenRules(fresh, there),
  ];
}

function wrongPlace(
  { datastores }: PlacementProblem,
  { vm, zone, host }: Standing,
  zoneOf: ReadonlyMap<string, string>,
): string[] {
  const isServed =
    datastores.length === 0 || datastores.some((each) => each.free > 0 && each.zones.includes(zone));
  return [
    ...(host === undefined || !zoneOf.has(host) ? [`${nameOf(vm)} is on no host`] : []),
    ...(vm.zone !== undefined && vm.zone !== zone ? [`${nameOf(vm)} is not in the zone of its pin`] : []),
    ...(isServed ? [] : [`${nameOf(vm)} is far from all datastores`]),
  ];
}

/** C1. What was overcommitted before is nobody's fault. */
function overcommitted({ hosts }: PlacementProblem, fresh: Standing[], there: Standing[]): string[] {
  return (['cpus', 'memory'] as const).flatMap((what) => {
    const added = taken(fresh, what);
    const before = taken(there, what);
    return hosts.flatMap(({ name, [what]: all }) => {
      const more = added.get(name) ?? 0;
      const sum = more + (before.get(name) ?? 0);
      return more > 0 && sum > thousandths(all) ? [`${name} has too little ${what}`] : [];
    });
  });
}

/** By host. In thousandths, so that sums are exact. */
function taken(standing: Standing[], what: 'cpus' | 'memory'): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { vm, host = '' } of standing) sums.set(host, (sums.get(host) ?? 0) + thousandths(vm[what]));
  return sums;
}

function thousandths(amount: number): number {
  return Math.round(amount * 1000);
}

/** C2. */
function brokenRules(fresh: Standing[], there: Standing[]): string[] {
  const namespaces = new Set(fresh.map(({ vm }) => vm.namespace));
  return [...namespaces].flatMap((namespace) => {
    const here = fresh.filter(({ vm }) => vm.namespace === namespace);
    const all = [...here, ...there.filter(({ vm }) => vm.namespace === namespace)];
    return all.flatMap((one) =>
      one.vm.affinity
        .filter((term) => term.strength === 'Required' && !holds(one, term, one.isNew ? all : here))
        .map(({ path }) => `${path} of ${nameOf(one.vm)} is broken`),
    );
  });
}

/** Whether a required rule holds, as far as it binds those that are placed now: of a VM that is there, only those matter. */
function holds(one: Standing, { effect, topologyKey, selector }: AffinityTerm, all: Standing[]): boolean {
  const overZones = topologyKey === 'topology.kubernetes.io/zone';
  const isNear = (other: Standing): boolean =>
    overZones ? one.zone === other.zone : one.host !== undefined && one.host === other.host;
  const others = all.filter((other) => other !== one && selects(selector, other.vm.labels));
  if (effect === 'AntiAffinity') return !others.some(isNear);
  // What a VM that is there lacked before, it may go on lacking.
  if (!one.isNew || others.some(isNear)) return true;
  return others.length === 0 && selects(selector, one.vm.labels);
}

function nameOf({ namespace, name }: PlacementVm): string {
  return `${namespace}/${name}`;
}
