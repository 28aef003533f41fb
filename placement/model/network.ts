/** The constraints of one search: those of a model, with all of its rules or without some. */
import type { Model } from './model';

/** Roles of a VM in a bond, as bits. */
export const HOLDS = 1;
export const MATCHES = 2;

/** Which constraints a search respects. */
export interface Kept {
  /** By rule of the model; absent: all. */
  rules?: Uint8Array;
  /** Whether VMs need room; false: requests are ignored. */
  room: boolean;
  /** Whether preferred terms count. */
  preferred: boolean;
}

/** Constraints as typed arrays. VMs here are those to be placed. */
export interface Network {
  size: number;
  spots: number;
  zones: number;
  /** 32-bit words of a set of spots. */
  words: number;
  zoneOf: Int32Array;
  /** By zone: its spots as a set. */
  zoneSets: Uint32Array;
  isHidden: Uint8Array;
  /** By spot: whether it has placed VMs. */
  hasPlaced: Uint8Array;
  /** Free room of each spot, placed VMs subtracted; may be negative. */
  freeCpus: Float64Array;
  freeMemory: Float64Array;
  /** What each VM needs. */
  cpus: Float64Array;
  memory: Float64Array;
  /** By VM: the spots that are allowed for it, rules about other VMs not considered. */
  domains: Uint32Array;
  bonds: number;
  overZones: Uint8Array;
  isAffinity: Uint8Array;
  isRequired: Uint8Array;
  /** By bond: VMs that hold it, and VMs that match it. */
  holders: Int32Array[];
  matched: Int32Array[];
  /** By bond: how many entities match it. */
  matchedTotal: Int32Array;
  /** By VM: its bonds are at `from[vm]` up to, but not including, `from[vm + 1]`, with its roles in them. */
  from: Int32Array;
  bondOf: Int32Array;
  parts: Uint8Array;
  /** By bond: offset of its counts, one for each zone or spot. */
  offset: Int32Array;
  /** Number of placed VMs that match, hold, and do both, by bond and place. */
  matchedAt: Int32Array;
  heldAt: Int32Array;
  bothAt: Int32Array;
  /** By bond: the indices among its counts at which placed VMs hold it. */
  placedHolders: number[][];
}

/** The place that counts for a bond if a VM is on a spot; -1: none, because hosts are not visible there. */
export function placeOf(network: Network, bond: number, spot: number): number {
  if (network.overZones[bond]) return network.zoneOf[spot]!;
  // VMs that belong on one host must at least share a zone; VMs that must not share a host may share a zone.
  return network.isHidden[spot] && !network.isAffinity[bond] ? -1 : spot;
}

/** Whether a spot is in a set that begins at word `start`. */
export function inSet(sets: Uint32Array, start: number, spot: number): boolean {
  return (sets[start + (spot >>> 5)]! & (1 << (spot & 31))) !== 0;
}

/** Lays out the constraints. */
export function layOut(model: Model, kept: Kept): Network {
  const { size, spots, zones } = model;
  const words = Math.max(1, Math.ceil(spots.length / 32));
  const network: Network = {
    size,
    spots: spots.length,
    zones: zones.length,
    words,
    zoneOf: Int32Array.from(spots, ({ zone }) => zone),
    zoneSets: new Uint32Array(zones.length * words),
    isHidden: Uint8Array.from(spots, ({ host }) => Number(host === undefined)),
    hasPlaced: new Uint8Array(spots.length),
    freeCpus: Float64Array.from(spots, ({ cpus }) => cpus),
    freeMemory: Float64Array.from(spots, ({ memory }) => memory),
    cpus: kept.room ? model.cpus.slice(0, size) : new Float64Array(size),
    memory: kept.room ? model.memory.slice(0, size) : new Float64Array(size),
    domains: new Uint32Array(size * words),
    ...layOutBonds(model, kept),
  };
  for (const [spot, { zone }] of spots.entries())
    network.zoneSets[zone * words + (spot >>> 5)]! |= 1 << (spot & 31);
  layOutRoom(model, network);
  layOutDomains(model, network, kept);
  countPlaced(model, network, kept);
  return network;
}

type BondFields =
  | 'bonds'
  | 'overZones'
  | 'isAffinity'
  | 'isRequired'
  | 'holders'
  | 'matched'
  | 'matchedTotal'
  | 'from'
  | 'bondOf'
  | 'parts'
  | 'offset'
  | 'matchedAt'
  | 'heldAt'
  | 'bothAt'
  | 'placedHolders';

function layOutBonds(model: Model, kept: Kept): Pick<Network, BondFields> {
  const { size } = model;
  const bonds = model.bonds.filter(({ isRequired }) => isRequired || kept.preferred);
  const parts = Array.from({ length: size }, () => new Map<number, number>());
  const holders: Int32Array[] = [];
  const matched: Int32Array[] = [];
  const offset = new Int32Array(bonds.length);
  let end = 0;
  for (const [at, bond] of bonds.entries()) {
    const holding = bond.terms.filter((term) => term.entity < size && isKept(term, kept));
    holders.push(Int32Array.from(new Set(holding.map(({ entity }) => entity))));
    matched.push(Int32Array.from(bond.matched.filter((entity) => entity < size)));
    for (const vm of matched[at]!) parts[vm]!.set(at, MATCHES);
    for (const vm of holders[at]!) parts[vm]!.set(at, (parts[vm]!.get(at) ?? 0) | HOLDS);
    offset[at] = end;
    end += bond.overZones ? model.zones.length : model.spots.length;
  }
  const from = new Int32Array(size + 1);
  for (const [vm, of] of parts.entries()) from[vm + 1] = from[vm]! + of.size;
  return {
    bonds: bonds.length,
    overZones: Uint8Array.from(bonds, ({ overZones }) => Number(overZones)),
    isAffinity: Uint8Array.from(bonds, ({ isAffinity }) => Number(isAffinity)),
    isRequired: Uint8Array.from(bonds, ({ isRequired }) => Number(isRequired)),
    holders,
    matched,
    matchedTotal: Int32Array.from(bonds, (bond) => bond.matched.length),
    from,
    bondOf: Int32Array.from(parts.flatMap((of) => [...of.keys()])),
    parts: Uint8Array.from(parts.flatMap((of) => [...of.values()])),
    offset,
    matchedAt: new Int32Array(end),
    heldAt: new Int32Array(end),
    bothAt: new Int32Array(end),
    placedHolders: bonds.map(() => []),
  };
}

function isKept({ binds, rule }: { binds: boolean; rule?: number }, kept: Kept): boolean {
  return binds && (rule === undefined || kept.rules === undefined || kept.rules[rule] === 1);
}

function layOutRoom(model: Model, network: Network): void {
  for (let entity = model.size; entity < model.entities.length; entity++) {
    const spot = model.spotOf[entity]!;
    if (spot === -1) continue;
    network.hasPlaced[spot] = 1;
    network.freeCpus[spot]! -= model.cpus[entity]!;
    network.freeMemory[spot]! -= model.memory[entity]!;
  }
}

function layOutDomains(model: Model, network: Network, kept: Kept): void {
  const { words, domains } = network;
  const pins: (string | undefined)[] = [];
  for (const [at, rule] of model.rules.entries())
    if ('pin' in rule && (kept.rules === undefined || kept.rules[at] === 1)) pins[rule.entity] = rule.pin;
  for (let vm = 0; vm < model.size; vm++) {
    const pin = pins[vm];
    for (const [spot, { zone }] of model.spots.entries()) {
      if (model.usable[spot] && (pin === undefined || pin === model.zones[zone]))
        domains[vm * words + (spot >>> 5)]! |= 1 << (spot & 31);
    }
  }
}

function countPlaced(model: Model, network: Network, kept: Kept): void {
  const bonds = model.bonds.filter(({ isRequired }) => isRequired || kept.preferred);
  for (const [at, bond] of bonds.entries()) {
    const place = (entity: number): number => {
      const spot = model.spotOf[entity]!;
      if (bond.overZones) return model.zoneOf[entity]!;
      return spot === -1 ? -1 : placeOf(network, at, spot);
    };
    const count = (counts: Int32Array, entity: number): void => {
      const where = place(entity);
      if (where === -1) return;
      const index = network.offset[at]! + where;
      counts[index]! += 1;
      if (counts === network.heldAt && counts[index] === 1) network.placedHolders[at]!.push(index);
    };
    for (const entity of bond.matched) if (entity >= model.size) count(network.matchedAt, entity);
    const counted = new Set<number>();
    for (const term of bond.terms) {
      if (term.entity < model.size || !isKept(term, kept) || counted.has(term.entity)) continue;
      counted.add(term.entity);
      count(network.heldAt, term.entity);
      if (term.matchesItself) count(network.bothAt, term.entity);
    }
  }
}
