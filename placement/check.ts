/**
 * Whether an answer of the solver is valid: checks it again, place by place, and shares nothing with the search except what a selector
 * selects.
 *
 * CHECK-1: the VMs on a host, or in a zone with a limit, never exceed what it has, except for what was overcommitted before.
 * CHECK-2: no VM is placed where a required rule of its own, or of a VM that is there, would be broken.
 */
import { fullName, type AffinityTerm } from '../api';
import type { PlacementProblem, PlacementVm, VmPlacement } from './problem';
import { selects, selectorText } from './selectors';

/** A VM in its place. */
interface Standing {
  vm: PlacementVm;
  /** It is placed now. */
  isNew: boolean;
  zone: string;
  /** Absent: not known, or in a zone that hides its hosts. */
  host?: string;
  /** The zone hides its hosts. */
  isHidden: boolean;
}

/** What is wrong with places for the VMs of a problem, in words; nothing: they may stand. An optional VM may have none. */
export function mistakes(problem: PlacementProblem, placements: readonly VmPlacement[]): string[] {
  const places = new Map(placements.map(({ uid, placement }) => [uid, placement]));
  const zoneOf = new Map(problem.hosts.map(({ name, zone }) => [name, zone]));
  const hidden = new Set((problem.zones ?? []).map(({ name }) => name));
  const stand = (vm: PlacementVm, isNew: boolean, zoneID: string, node: string | undefined): Standing => {
    const isHidden = hidden.has(zoneID);
    const zone = isHidden || node === undefined ? zoneID : (zoneOf.get(node) ?? zoneID);
    return { vm, isNew, zone, isHidden, ...(!isHidden && node !== undefined && { host: node }) };
  };
  const fresh = problem.vms.flatMap((vm) => {
    const place = places.get(vm.uid);
    return place ? [stand(vm, true, place.zoneID, place.node)] : [];
  });
  const there = problem.placed.map((vm) => stand(vm, false, vm.placement.zoneID, vm.placement.node));
  return [
    ...problem.vms
      .filter(({ uid, optional }) => !optional && !places.has(uid))
      .map((vm) => `${fullName(vm)} has no place`),
    ...fresh.flatMap((one) => wrongPlace(problem, one, zoneOf)),
    ...overcommitted(problem, fresh, there),
    ...brokenRules(fresh, there),
  ];
}

function wrongPlace(
  { datastores }: PlacementProblem,
  { vm, zone, host, isHidden }: Standing,
  zoneOf: ReadonlyMap<string, string>,
): string[] {
  const isServed =
    datastores.length === 0 || datastores.some((each) => each.free > 0 && each.zones.includes(zone));
  const isThere = isHidden || (host !== undefined && zoneOf.has(host));
  return [
    ...(isThere ? [] : [`${fullName(vm)} is on no host`]),
    ...(vm.zone !== undefined && vm.zone !== zone ? [`${fullName(vm)} is not in the zone of its pin`] : []),
    ...(isServed ? [] : [`${fullName(vm)} is far from all datastores`]),
  ];
}

/** CHECK-1. */
function overcommitted(
  { hosts, zones = [] }: PlacementProblem,
  fresh: Standing[],
  there: Standing[],
): string[] {
  return (['cpus', 'memory'] as const).flatMap((what) => {
    const added = taken(fresh, what);
    const before = taken(there, what);
    return [...hosts, ...zones].flatMap(({ name, [what]: all }) => {
      const more = added.get(name) ?? 0;
      const sum = more + (before.get(name) ?? 0);
      return all !== undefined && more > 0 && sum > thousandths(all)
        ? [`${name} has too little ${what}`]
        : [];
    });
  });
}

/** By host, or by zone that hides its hosts. In thousandths, so that sums are exact. */
function taken(standing: Standing[], what: 'cpus' | 'memory'): Map<string, number> {
  const sums = new Map<string, number>();
  for (const { vm, zone, isHidden, host } of standing) {
    const at = isHidden ? zone : (host ?? '');
    sums.set(at, (sums.get(at) ?? 0) + thousandths(vm[what]));
  }
  return sums;
}

function thousandths(amount: number): number {
  return Math.round(amount * 1000);
}

/** CHECK-2. */
function brokenRules(fresh: Standing[], there: Standing[]): string[] {
  const namespaces = new Set(fresh.map(({ vm }) => vm.namespace));
  return [...namespaces].flatMap((namespace) => {
    const here = fresh.filter(({ vm }) => vm.namespace === namespace);
    const all = [...here, ...there.filter(({ vm }) => vm.namespace === namespace)];
    const [among, amongNew] = [new Selected(all), new Selected(here)];
    return all.flatMap((one) =>
      one.vm.affinity
        .filter((term) => term.strength === 'Required' && !holds(one, term, one.isNew ? among : amongNew))
        .map(({ path }) => `${path} of ${fullName(one.vm)} is broken`),
    );
  });
}

/** Whether a required rule holds for the VMs that are placed now: for the rule of a VM that is already there, only those count. */
function holds(one: Standing, term: AffinityTerm, among: Selected): boolean {
  const { total, near } = among.countsFor(one, term);
  if (term.effect === 'AntiAffinity') return near === 0;
  // What a VM that is there lacked before, it may go on lacking.
  if (!one.isNew || near > 0) return true;
  return total === 0 && selects(term.selector, one.vm.labels);
}

/** How many VMs a rule selects, in all and by place; each selector is answered once. */
class Selected {
  readonly #known = new Map<string, { all: Set<Standing>; byPlace: Map<string, number> }>();

  constructor(readonly standing: Standing[]) {}

  /** Other VMs that the rule of a VM selects, and those of them that are at the same place. */
  countsFor(one: Standing, term: AffinityTerm): { total: number; near: number } {
    const { all, byPlace } = this.#find(term);
    const place = placeOf(one, term);
    const self = Number(all.has(one));
    const here = place === undefined ? 0 : (byPlace.get(place) ?? 0);
    return { total: all.size - self, near: place === undefined ? 0 : here - self };
  }

  #find(term: AffinityTerm): { all: Set<Standing>; byPlace: Map<string, number> } {
    const key = JSON.stringify([term.effect, term.topologyKey, selectorText(term.selector)]);
    const known = this.#known.get(key);
    if (known) return known;
    const overZones = term.topologyKey === 'topology.kubernetes.io/zone';
    const all = new Set(
      this.standing.filter(
        ({ vm, host, isHidden }) =>
          // Rules over hosts do not see a VM whose host is not known.
          (overZones || isHidden || host !== undefined) && selects(term.selector, vm.labels),
      ),
    );
    const byPlace = new Map<string, number>();
    for (const each of all) {
      const place = placeOf(each, term);
      if (place !== undefined) byPlace.set(place, (byPlace.get(place) ?? 0) + 1);
    }
    const found = { all, byPlace };
    this.#known.set(key, found);
    return found;
  }
}

/**
 * Two VMs of one place are together, as a rule sees it; undefined: with none. In a zone that hides its hosts, VMs that belong on one host are
 * together, and what keeps them apart cannot be seen.
 */
function placeOf(
  { zone, host, isHidden }: Standing,
  { effect, topologyKey }: AffinityTerm,
): string | undefined {
  if (topologyKey === 'topology.kubernetes.io/zone') return `zone ${zone}`;
  if (isHidden) return effect === 'Affinity' ? `zone ${zone}` : undefined;
  return host === undefined ? undefined : `host ${host}`;
}
