/**
 * A problem in numbers: VMs, places and rules as indices, with selectors already evaluated.
 *
 * Entities are the VMs to be placed, followed by the placed ones. A spot is where a VM is placed: a host, or a zone whose hosts are not
 * visible. A bond is the set of equal terms of VMs of one namespace, with the VMs that hold them and the VMs that they select.
 */
import type { AffinityTerm, Placement } from '../../api';
import type { PlacedVm, PlacementProblem, PlacementVm } from '../problem';
import { LabelIndex, selectorText } from '../selectors';

/** A place for VMs. */
export interface Spot {
  zone: number;
  /** Absent: the hosts of the zone are not visible. */
  host?: string;
  pool?: string;
  /** Capacity, placed VMs not subtracted, in thousandths of a CPU. */
  cpus: number;
  /** Bytes. */
  memory: number;
}

/** Equal terms: their content, their holders (as terms), and the entities that they select, if their place is known or still open. */
export interface Bond {
  overZones: boolean;
  isAffinity: boolean;
  isRequired: boolean;
  matched: number[];
  terms: Term[];
}

/** One term of one entity. */
export interface Term {
  entity: number;
  bond: number;
  term: AffinityTerm;
  /** Its selector selects its own VM too. */
  matchesItself: boolean;
  /** The VM has an equal term before this one: equal preferred terms count once. */
  isRepeated: boolean;
  /** Whether it applies to this problem; if not, the outcome says why. */
  binds: boolean;
  /** For a required rule that applies: its index in `Model.rules`. */
  rule?: number;
}

/** A required rule that can be left out to find a conflict: a term, or a pin. */
export type Rule = { entity: number } & ({ term: Term } | { pin: string });

/** A problem in numbers. */
export interface Model {
  problem: PlacementProblem;
  /** VMs to be placed; entities from here on are placed. */
  size: number;
  entities: (PlacementVm | PlacedVm)[];
  spots: Spot[];
  zones: string[];
  /** Whether the spot accepts VMs: it reaches a datastore with free space. */
  usable: boolean[];
  /** By entity: the spot of a placed VM; -1 if it has none, or its spot is not in the problem. */
  spotOf: Int32Array;
  /** By entity: the zone of a placed VM; -1 if it has none. */
  zoneOf: Int32Array;
  /** By entity, in thousandths of a CPU and bytes. */
  cpus: Float64Array;
  memory: Float64Array;
  bonds: Bond[];
  /** By entity, in the order of the manifest. */
  terms: Term[][];
  rules: Rule[];
}

/**
 * Converts a problem to numbers.
 *
 * @throws Error when two VMs share a uid, two hosts or zones share a name, or a zone has both hosts and an entry in `zones`.
 */
export function readProblem(problem: PlacementProblem): Model {
  refuseDoubles(problem);
  const zones = [...new Set([...problem.hosts, ...problem.placed.map(zoneOfPlaced)].map(({ zone }) => zone))];
  for (const { name } of problem.zones ?? []) if (!zones.includes(name)) zones.push(name);
  const entities = [...problem.vms, ...problem.placed];
  const model: Model = {
    problem,
    size: problem.vms.length,
    entities,
    spots: spotsOf(problem, zones),
    zones,
    usable: [],
    spotOf: new Int32Array(entities.length).fill(-1),
    zoneOf: new Int32Array(entities.length).fill(-1),
    cpus: Float64Array.from(entities, ({ cpus }) => thousandths(cpus)),
    memory: Float64Array.from(entities, ({ memory }) => memory),
    bonds: [],
    terms: entities.map(() => []),
    rules: [],
  };
  model.usable = model.spots.map(({ zone }) => hasStorage(problem, zones[zone]));
  standPlaced(model);
  readTerms(model);
  collectRules(model);
  return model;
}

/** CPUs in the unit of the solver, thousandths. */
function thousandths(cpus: number): number {
  return Math.round(cpus * 1000);
}

function zoneOfPlaced({ placement }: { placement: Placement }): { zone: string } {
  return { zone: placement.zoneID };
}

function refuseDoubles({ vms, placed, hosts, zones = [] }: PlacementProblem): void {
  const hosted = new Set(hosts.map(({ zone }) => zone));
  refuse(
    'VMs have the uid',
    [...vms, ...placed].map(({ uid }) => uid),
  );
  refuse(
    'hosts have the name',
    hosts.map(({ name }) => name),
  );
  refuse(
    'zones without visible hosts have the name',
    zones.map(({ name }) => name),
  );
  for (const { name } of zones)
    if (hosted.has(name)) throw new Error(`zone ${name} is declared to hide its hosts, but has hosts`);
}

function refuse(what: string, names: string[]): void {
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw new Error(`two ${what} ${name}; give each its own`);
    seen.add(name);
  }
}

function spotsOf({ hosts, zones = [] }: PlacementProblem, names: string[]): Spot[] {
  const index = new Map(names.map((name, at) => [name, at]));
  return [
    ...hosts.map(({ name, zone, pool, cpus, memory }) => ({
      zone: index.get(zone) ?? -1,
      host: name,
      ...(pool !== undefined && { pool }),
      cpus: thousandths(cpus),
      memory,
    })),
    ...zones.map(({ name, pool, cpus = Infinity, memory = Infinity }) => ({
      zone: index.get(name) ?? -1,
      ...(pool !== undefined && { pool }),
      cpus: thousandths(cpus),
      memory,
    })),
  ];
}

function hasStorage({ datastores }: PlacementProblem, zone: string | undefined): boolean {
  return (
    datastores.length === 0 ||
    datastores.some(({ zones, free }) => zone !== undefined && zones.includes(zone) && free > 0)
  );
}

/** Finds the places of placed VMs. A known host determines the zone; a zone without visible hosts is itself a spot. */
function standPlaced(model: Model): void {
  const hosts = new Map(model.spots.flatMap(({ host }, at) => (host === undefined ? [] : [[host, at]])));
  const hidden = new Map(
    model.spots.flatMap(({ host, zone }, at) => (host === undefined ? [[zone, at]] : [])),
  );
  const zones = new Map(model.zones.map((name, at) => [name, at]));
  for (const [at, { placement }] of model.problem.placed.entries()) {
    const entity = model.size + at;
    const zone = zones.get(placement.zoneID) ?? -1;
    const spot = hidden.get(zone) ?? (placement.node === undefined ? undefined : hosts.get(placement.node));
    model.spotOf[entity] = spot ?? -1;
    model.zoneOf[entity] = spot === undefined ? zone : (model.spots[spot]?.zone ?? zone);
  }
}

/** Whether the place of an entity counts for a bond: for a VM to be placed always, for a placed one if its host or zone is known. */
function isSeen(model: Model, entity: number, overZones: boolean): boolean {
  if (entity < model.size || overZones || model.spotOf[entity] !== -1) return true;
  return model.problem.placed[entity - model.size]?.placement.node !== undefined;
}

function readTerms(model: Model): void {
  const indices = new Map<string, LabelIndex>();
  for (const [entity, { namespace, labels }] of model.entities.entries()) {
    let index = indices.get(namespace);
    if (!index) indices.set(namespace, (index = new LabelIndex()));
    index.add(entity, labels);
  }
  const bonds = new Map<string, number>();
  for (const [entity, vm] of model.entities.entries()) {
    for (const term of vm.affinity) {
      const { effect, strength, topologyKey, selector } = term;
      const text = JSON.stringify([vm.namespace, effect, strength, topologyKey, selectorText(selector)]);
      let bond = bonds.get(text);
      if (bond === undefined) {
        bonds.set(text, (bond = model.bonds.length));
        const overZones = topologyKey === 'topology.kubernetes.io/zone';
        const found = indices.get(vm.namespace)?.find(selector) ?? [];
        model.bonds.push({
          overZones,
          isAffinity: effect === 'Affinity',
          isRequired: strength === 'Required',
          matched: found.filter((other) => isSeen(model, other, overZones)),
          terms: [],
        });
      }
      const before = model.terms[entity]!;
      const isRepeated = before.some((other) => other.bond === bond);
      const read: Term = { entity, bond, term, matchesItself: false, isRepeated, binds: true };
      model.bonds[bond]!.terms.push(read);
      before.push(read);
    }
  }
  for (const bond of model.bonds) settle(model, bond);
}

/** Marks each term of a bond that selects its own VM, and each that applies. */
function settle(model: Model, bond: Bond): void {
  const matched = new Set(bond.matched);
  const selectsNew = bond.matched.some((entity) => entity < model.size);
  for (const term of bond.terms) {
    term.matchesItself = matched.has(term.entity);
    const others = bond.matched.length - Number(term.matchesItself);
    if (term.entity >= model.size) term.binds = selectsNew && placedTermBinds(model, bond, term);
    // A VM satisfies its own affinity if no other VM matches it. A preferred term that selects no VM has no weight.
    else if (others === 0) term.binds = bond.isRequired && bond.isAffinity && !term.matchesItself;
  }
}

/** The term of a placed VM applies if its place is in the problem and, for affinity, if no placed VM satisfies it yet. */
function placedTermBinds(model: Model, bond: Bond, { entity }: Term): boolean {
  const at = bond.overZones ? model.zoneOf : model.spotOf;
  const place = at[entity];
  if (place === undefined || place === -1) return false;
  if (!bond.isAffinity) return true;
  return !bond.matched.some((other) => other >= model.size && other !== entity && at[other] === place);
}

function collectRules(model: Model): void {
  for (const [entity, terms] of model.terms.entries()) {
    const zone = model.entities[entity]?.zone;
    if (zone !== undefined && entity < model.size) model.rules.push({ entity, pin: zone });
    for (const term of terms)
      if (term.term.strength === 'Required' && term.binds) term.rule = model.rules.push({ entity, term }) - 1;
  }
}
