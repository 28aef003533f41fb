/**
 * What a right answer is, written for reading and without anything of the solver: the final places are looked at, VM by VM and rule by rule,
 * the way the Kubernetes scheduler would look at each VM with all others in their place.
 */
import type { AffinityTerm, LabelSelector, Placement } from '../../api';
import type { PlacementProblem, PlacementVm, VmPlacement } from '../../placement';

/** Everything that is wrong with places for all VMs of a problem, in words. */
export function mistakes(problem: PlacementProblem, placements: VmPlacement[]): string[] {
  const placementOf = new Map(placements.map(({ uid, placement }) => [uid, placement]));
  const missing = problem.vms
    .filter(({ uid }) => !placementOf.has(uid))
    .map(({ name }) => `${name} has no place`);
  if (missing.length > 0 || placements.length !== problem.vms.length)
    return [...missing, 'not one place a VM'];
  const standing = [
    ...problem.vms.map((vm) => stand(problem, vm, placementOf.get(vm.uid)!, true)),
    ...problem.placed.map((vm) => stand(problem, vm, vm.placement, false)),
  ];
  return [
    ...standing.filter(({ isNew }) => isNew).flatMap((one) => wrongPlace(problem, one)),
    ...overcommitted(problem, standing),
    ...standing.flatMap((one) =>
      one.vm.affinity
        .filter(({ strength }) => strength === 'Required')
        .filter((term) => !holds(one, term, standing))
        .map((term) => `${term.path} of ${one.vm.name} is broken`),
    ),
  ];
}

interface Standing {
  vm: PlacementVm;
  isNew: boolean;
  zone: string;
  /** Undefined: not known, or in a zone that hides its hosts. */
  host?: string;
  hidden: boolean;
  /** The place is one of the problem's. */
  inHouse: boolean;
}

function stand(
  problem: PlacementProblem,
  vm: PlacementVm,
  { zoneID, node }: Placement,
  isNew: boolean,
): Standing {
  const hidden = (problem.zones ?? []).some(({ name }) => name === zoneID);
  const host = problem.hosts.find(({ name }) => name === node);
  return {
    vm,
    isNew,
    zone: hidden || !host ? zoneID : host.zone,
    ...(!hidden && node !== undefined && { host: node }),
    hidden,
    inHouse: hidden || host !== undefined,
  };
}

function wrongPlace(problem: PlacementProblem, { vm, zone, hidden, inHouse }: Standing): string[] {
  const served = problem.datastores.some(({ zones, free }) => free > 0 && zones.includes(zone));
  return [
    ...(inHouse ? [] : [`${vm.name} is on no host of the problem`]),
    ...(vm.zone !== undefined && vm.zone !== zone ? [`${vm.name} is not in the zone of its pin`] : []),
    ...(problem.datastores.length > 0 && !served ? [`${vm.name} is far from all datastores`] : []),
    ...(hidden && !(problem.zones ?? []).some(({ name }) => name === zone)
      ? [`${vm.name} is in no zone`]
      : []),
  ];
}

function overcommitted(problem: PlacementProblem, standing: Standing[]): string[] {
  const places = [
    ...problem.hosts.map((host) => ({ ...host, isHere: (one: Standing) => one.host === host.name })),
    ...(problem.zones ?? []).map((zone) => ({
      cpus: Infinity,
      memory: Infinity,
      ...zone,
      isHere: (one: Standing) => one.hidden && one.zone === zone.name,
    })),
  ];
  return places.flatMap((place) =>
    (['cpus', 'memory'] as const).flatMap((what) => {
      const here = standing.filter(place.isHere);
      const sum = (some: Standing[]): number => some.reduce((all, { vm }) => all + exact(vm[what]), 0);
      // Nobody is blamed for what was overcommitted before.
      const added = sum(here.filter(({ isNew }) => isNew));
      return added > 0 && sum(here) > exact(place[what]) ? [`${place.name} has too little ${what}`] : [];
    }),
  );
}

/** Thousandths, so that sums are exact. */
function exact(amount: number): number {
  return Math.round(amount * 1000);
}

/** Whether a required rule holds, as far as the VMs placed now can do anything about it. */
function holds(one: Standing, term: AffinityTerm, standing: Standing[]): boolean {
  const chosen = (other: Standing): boolean =>
    other.vm.namespace === one.vm.namespace && matches(term.selector, other.vm.labels);
  const overHosts = term.topologyKey === 'kubernetes.io/hostname';
  const others = standing.filter((other) => other !== one && chosen(other));
  if (term.effect === 'AntiAffinity')
    return others.every((other) => (!one.isNew && !other.isNew) || !together(one, other, term));
  const seen = others.filter((other) => !overHosts || other.hidden || other.host !== undefined);
  const near = seen.filter((other) => together(one, other, term));
  if (near.length > 0) return true;
  if (one.isNew) return seen.length === 0 && chosen(one);
  // A placed VM waits for a partner only where one is placed now, and can come to it.
  const reachable = overHosts ? one.inHouse : true;
  return !reachable || seen.every((other) => !other.isNew);
}

function together(one: Standing, other: Standing, { topologyKey, effect }: AffinityTerm): boolean {
  if (topologyKey === 'topology.kubernetes.io/zone') return one.zone === other.zone;
  if (one.hidden || other.hidden)
    return effect === 'Affinity' && one.hidden && other.hidden && one.zone === other.zone;
  return one.host !== undefined && one.host === other.host;
}

function matches({ matchLabels, matchExpressions }: LabelSelector, labels: Record<string, string>): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      const has = key in labels;
      const isOne = has && values.includes(labels[key]!);
      return { In: isOne, NotIn: !isOne, Exists: has, DoesNotExist: !has }[operator];
    })
  );
}

/** Tries every host for every VM: the places of the first answer that is right, or undefined where there is none. */
export function tryAll(problem: PlacementProblem): VmPlacement[] | undefined {
  const places: Placement[] = [
    ...problem.hosts.map(({ name, zone }) => ({ zoneID: zone, node: name })),
    ...(problem.zones ?? []).map(({ name }) => ({ zoneID: name })),
  ];
  const chosen: VmPlacement[] = [];
  const go = (at: number): VmPlacement[] | undefined => {
    const vm = problem.vms[at];
    if (!vm) return mistakes(problem, chosen).length === 0 ? [...chosen] : undefined;
    for (const placement of places) {
      chosen.push({ namespace: vm.namespace, name: vm.name, uid: vm.uid, placement });
      const found = go(at + 1);
      chosen.pop();
      if (found) return found;
    }
    return undefined;
  };
  return go(0);
}
