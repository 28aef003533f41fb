/**
 * What a right answer is, written for reading and without anything of the solver: the final places are looked at, VM by VM and rule by rule,
 * the way the Kubernetes scheduler would look at each VM with all others in their place.
 */
import type { AffinityTerm, LabelSelector, Placement } from '../../api';
import type { PlacementProblem, PlacementVm, VmPlacement } from '../../placement';

const HOSTNAME = 'kubernetes.io/hostname';

/** Everything that is wrong with places for all VMs of a problem, in words. */
export function mistakes(problem: PlacementProblem, placements: VmPlacement[]): string[] {
  const placed = new Set(placements.map(({ uid }) => uid));
  const missing = problem.vms.filter(({ uid }) => !placed.has(uid)).map(({ name }) => `${name} has no place`);
  if (missing.length > 0 || placements.length !== problem.vms.length)
    return [...missing, 'not one place a VM'];
  const standing = standingOf(problem, placements);
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

function standingOf(problem: PlacementProblem, placements: VmPlacement[]): Standing[] {
  const placementOf = new Map(placements.map(({ uid, placement }) => [uid, placement]));
  return [
    ...problem.vms.map((vm) => stand(problem, vm, placementOf.get(vm.uid)!, true)),
    ...problem.placed.map((vm) => stand(problem, vm, vm.placement, false)),
  ];
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
  return [
    ...(inHouse ? [] : [`${vm.name} is on no host of the problem`]),
    ...(vm.zone !== undefined && vm.zone !== zone ? [`${vm.name} is not in the zone of its pin`] : []),
    ...(isServed(problem, zone) ? [] : [`${vm.name} is far from all datastores`]),
    ...(hidden && !(problem.zones ?? []).some(({ name }) => name === zone)
      ? [`${vm.name} is in no zone`]
      : []),
  ];
}

function isServed({ datastores }: PlacementProblem, zone: string): boolean {
  return datastores.length === 0 || datastores.some(({ zones, free }) => free > 0 && zones.includes(zone));
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
      // An earlier overcommitment without new load is no mistake.
      const added = sum(here.filter(({ isNew }) => isNew));
      return added > 0 && sum(here) > exact(place[what]) ? [`${place.name} has too little ${what}`] : [];
    }),
  );
}

/** Thousandths, so that sums are exact. */
function exact(amount: number): number {
  return Math.round(amount * 1000);
}

/** Whether a required rule holds; a rule that the VMs placed now cannot affect counts as held. */
function holds(one: Standing, term: AffinityTerm, standing: Standing[]): boolean {
  const others = selected(one, term, standing);
  if (term.effect === 'AntiAffinity')
    return others.every((other) => (!one.isNew && !other.isNew) || !together(one, other, term));
  if (others.some((other) => together(one, other, term))) return true;
  if (one.isNew) return others.length === 0 && matches(term.selector, one.vm.labels);
  // A placed VM waits for a partner only where one is placed now, and can come to it.
  const reachable = term.topologyKey === HOSTNAME ? one.inHouse : true;
  return !reachable || others.every((other) => !other.isNew);
}

/** Other VMs that a term selects, if their place is known. */
function selected(one: Standing, { topologyKey, selector }: AffinityTerm, standing: Standing[]): Standing[] {
  return standing.filter(
    (other) =>
      other !== one &&
      other.vm.namespace === one.vm.namespace &&
      matches(selector, other.vm.labels) &&
      (topologyKey !== HOSTNAME || other.hidden || other.host !== undefined),
  );
}

function together(one: Standing, other: Standing, { topologyKey, effect }: AffinityTerm): boolean {
  if (topologyKey === 'topology.kubernetes.io/zone') return one.zone === other.zone;
  if (one.hidden || other.hidden)
    return effect === 'Affinity' && one.hidden && other.hidden && one.zone === other.zone;
  return one.host !== undefined && one.host === other.host;
}

/** Whether a selector selects a VM with these labels. */
export function matches(
  { matchLabels, matchExpressions }: LabelSelector,
  labels: Record<string, string>,
): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      const has = key in labels;
      const isOne = has && values.includes(labels[key]!);
      return { In: isOne, NotIn: !isOne, Exists: has, DoesNotExist: !has }[operator];
    })
  );
}

/** Every right answer: each host is tried for each VM. */
export function* answers(problem: PlacementProblem): Generator<VmPlacement[]> {
  const places: Placement[] = [
    ...problem.hosts.map(({ name, zone }) => ({ zoneID: zone, node: name })),
    ...(problem.zones ?? []).map(({ name }) => ({ zoneID: name })),
  ];
  const chosen: VmPlacement[] = [];
  function* go(at: number): Generator<VmPlacement[]> {
    const vm = problem.vms[at];
    if (!vm) {
      if (mistakes(problem, chosen).length === 0) yield [...chosen];
      return;
    }
    for (const placement of places) {
      chosen.push({ namespace: vm.namespace, name: vm.name, uid: vm.uid, placement });
      yield* go(at + 1);
      chosen.pop();
    }
  }
  yield* go(0);
}

/** Some right answer; undefined if there is none. */
export function tryAll(problem: PlacementProblem): VmPlacement[] | undefined {
  const [first] = answers(problem);
  return first;
}

/** How good right places are: the formula of docs/reference/placement.md, except that spread and load go below 0 where hosts are overcommitted. */
export function scoreOf(problem: PlacementProblem, placements: VmPlacement[]): number {
  const standing = standingOf(problem, placements);
  const shares = standing.flatMap((one) =>
    preferredOf(one).flatMap((term) => shareKept(one, term, standing) ?? []),
  );
  const loads = evenness(problem, standing, ({ name }) => name);
  const spread = evenness(problem, standing, ({ zone }) => zone);
  return (sumOf(shares) + (loads + spread) / 2) / (shares.length + 1);
}

/** Preferred terms, equal ones once. */
function preferredOf({ vm }: Standing): AffinityTerm[] {
  const byText = new Map<string, AffinityTerm>();
  for (const term of vm.affinity) {
    const { effect, topologyKey, selector } = term;
    const expressions = selector.matchExpressions.map(({ key, operator, values }) =>
      JSON.stringify([key, operator, [...values].sort()]),
    );
    const labels = Object.entries(selector.matchLabels).map((label) => label.join('='));
    const text = JSON.stringify([effect, topologyKey, labels.sort(), expressions.sort()]);
    if (term.strength === 'Preferred' && !byText.has(text)) byText.set(text, term);
  }
  return [...byText.values()];
}

/** The weight of a preferred rule; undefined: it has no say. */
function shareKept(one: Standing, term: AffinityTerm, standing: Standing[]): number | undefined {
  const others = selected(one, term, standing);
  const near = others.filter((other) => together(one, other, term));
  if (others.length === 0) return undefined;
  if (!one.isNew) {
    if (others.every((other) => !other.isNew)) return undefined;
    if (term.topologyKey === HOSTNAME && !one.inHouse) return undefined;
    if (term.effect === 'Affinity' && near.some((other) => !other.isNew)) return undefined;
  }
  return term.effect === 'Affinity' ? Number(near.length > 0) : 1 - near.length / others.length;
}

/** 1 where CPUs and memory are taken to the same share everywhere, 0 where each place is either full or empty; below 0 where some are overcommitted. */
function evenness(
  problem: PlacementProblem,
  standing: Standing[],
  placeOf: (host: { name: string; zone: string }) => string,
): number {
  const hosts = [
    ...problem.hosts,
    ...(problem.zones ?? []).map((zone) => ({ cpus: Infinity, memory: Infinity, ...zone, zone: zone.name })),
  ].filter(({ zone }) => isServed(problem, zone));
  const shares = (['cpus', 'memory'] as const).map((what) => {
    // A VM that asks for nothing counts as a small one.
    const least = what === 'cpus' ? 0.1 : 200 * 2 ** 20;
    const loadOf = ({ vm }: Standing): number => (vm[what] > 0 ? vm[what] : least);
    const everything = sumOf(standing.map(loadOf));
    const places = new Map<string, { load: number; capacity: number }>();
    for (const host of hosts) {
      const here = standing.filter(({ hidden, zone, host: name }) =>
        hidden ? zone === host.name : name === host.name,
      );
      const place = places.get(placeOf(host)) ?? { load: 0, capacity: 0 };
      place.load += sumOf(here.map(loadOf));
      place.capacity += host[what] === Infinity ? everything : host[what];
      places.set(placeOf(host), place);
    }
    const all = [...places.values()];
    const load = sumOf(all.map((place) => place.load));
    const even = load ** 2 / sumOf(all.map((place) => place.capacity));
    const now = sumOf(all.map((place) => place.load ** 2 / place.capacity));
    return load > even ? 1 - (now - even) / (load - even) : 1;
  });
  return sumOf(shares) / shares.length;
}

function sumOf(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
