/** Proofs by counting that a problem has no solution, where a search would take forever. */
import { inSet, type Network } from '../model';
import { NOWHERE, type Assignment } from './assignment';
import type { SpotSets } from './spot-sets';

/** Most zones for which every set of zones is checked; beyond, each zone and all of them. */
const MAX_ZONES = 6;

/** Most sizes of VMs that are checked. */
const MAX_SIZES = 24;

/** Most pairs of a VM and a spot for which a search counts the room that is left; beyond, that takes too long. */
const MAX_PAIRS = 10_000;

/**
 * Whether VMs that can only come into certain zones ask for more than these have: in sum, in VMs over a certain size (a host takes only a whole
 * number of them), or in places for VMs that exclude each other.
 */
export function countsProveNone(network: Network, spots: SpotSets): boolean {
  const zonesOf = reachableZones(network, spots);
  return zoneSets(network.zones).some((zones) => {
    const inside: number[] = [];
    for (let vm = 0; vm < network.size; vm++) if ((zonesOf[vm]! & ~zones) === 0) inside.push(vm);
    return (
      inside.length > 0 && (roomIsMissing(network, zones, inside) || placesAreMissing(network, zones, inside))
    );
  });
}

/** By VM: the zones that it may come into, as bits; only meaningful up to 31 zones. */
function reachableZones(network: Network, spots: SpotSets): Int32Array {
  const { size, zones, words } = network;
  const found = new Int32Array(size);
  for (let vm = 0; vm < size; vm++) {
    for (let zone = 0; zone < Math.min(zones, 31); zone++) {
      for (let word = 0; word < words; word++) {
        if ((spots.bits[vm * words + word]! & network.zoneSets[zone * words + word]!) === 0) continue;
        found[vm]! |= 1 << zone;
        break;
      }
    }
    // What reaches zones that have no bit is in no small set.
    if (zones > 31) found[vm] = -1;
  }
  return found;
}

function zoneSets(zones: number): number[] {
  if (zones <= MAX_ZONES) return Array.from({ length: 2 ** zones - 1 }, (_, set) => set + 1);
  if (zones > 31) return [-1];
  return [...Array.from({ length: zones }, (_, zone) => 1 << zone), -1];
}

function roomIsMissing(network: Network, zones: number, vms: number[]): boolean {
  const spots: number[] = [];
  for (let spot = 0; spot < network.spots; spot++)
    if (zones === -1 || zones & (1 << network.zoneOf[spot]!)) spots.push(spot);
  return (
    isTooMuch(
      vms.map((vm) => network.cpus[vm]!),
      spots.map((spot) => network.freeCpus[spot]!),
    ) ||
    isTooMuch(
      vms.map((vm) => network.memory[vm]!),
      spots.map((spot) => network.freeMemory[spot]!),
    )
  );
}

function isTooMuch(needs: number[], free: number[]): boolean {
  const rooms = free.map((room) => Math.max(0, room));
  const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
  if (sum(needs) > sum(rooms)) return true;
  const sizes = [...new Set(needs)].filter((need) => need > 0).sort((one, other) => other - one);
  return sizes
    .slice(0, MAX_SIZES)
    .some(
      (least) =>
        needs.filter((need) => need >= least).length > sum(rooms.map((room) => Math.floor(room / least))),
    );
}

function placesAreMissing(network: Network, zones: number, vms: number[]): boolean {
  const inside = new Set(vms);
  for (let bond = 0; bond < network.bonds; bond++) {
    if (!network.isRequired[bond] || network.isAffinity[bond]) continue;
    const matched = new Set(network.matched[bond]);
    let exclusive = 0;
    for (const vm of network.holders[bond]!) if (inside.has(vm) && matched.has(vm)) exclusive += 1;
    if (exclusive < 2) continue;
    if (exclusive > placesIn(network, bond, zones)) return true;
  }
  return false;
}

function placesIn(network: Network, bond: number, zones: number): number {
  let count = 0;
  for (let zone = 0; zone < network.zones; zone++) {
    if (zones !== -1 && !(zones & (1 << zone))) continue;
    if (network.overZones[bond]) count += 1;
    else
      for (let spot = 0; spot < network.spots; spot++)
        if (inSet(network.zoneSets, zone * network.words, spot))
          count += network.isHidden[spot] ? Infinity : 1;
  }
  return count;
}

/**
 * Whether the VMs that are not placed yet fit in sum into the room that is left: those that can only come into one zone into that of the
 * zone, and all of them together.
 */
export class RoomLeft {
  readonly #reach: Float64Array;
  /** By zone, and last for all zones: what VMs need that cannot come elsewhere, and the room that they can come to. */
  readonly #needs: Float64Array;
  readonly #rooms: Float64Array;

  constructor(
    readonly network: Network,
    readonly assignment: Assignment,
    readonly spots: SpotSets,
  ) {
    this.#reach = new Float64Array(network.spots);
    this.#needs = new Float64Array(network.zones + 1);
    this.#rooms = new Float64Array(network.zones + 1);
  }

  /** False proves that no solution extends this assignment. */
  isEnough(): boolean {
    const { cpus, memory, size, spots } = this.network;
    if (size * spots > MAX_PAIRS) return true;
    const { freeCpus, freeMemory } = this.assignment;
    return this.#suffices(cpus, freeCpus) && this.#suffices(memory, freeMemory);
  }

  #suffices(needOf: Float64Array, free: Float64Array): boolean {
    const { network, assignment } = this;
    const reach = this.#reach.fill(0);
    const needs = this.#needs.fill(0);
    const rooms = this.#rooms.fill(0);
    const all = network.zones;
    for (let vm = 0; vm < network.size; vm++) {
      const need = needOf[vm]!;
      if (need === 0 || assignment.spotOf[vm] !== NOWHERE) continue;
      const zone = this.#addReach(vm, need);
      needs[all]! += need;
      if (zone !== -1) needs[zone]! += need;
    }
    for (let spot = 0; spot < network.spots; spot++) {
      // Room that no VM can use any longer is lost.
      const room = Math.min(Math.max(0, free[spot]!), reach[spot]!);
      rooms[network.zoneOf[spot]!]! += room;
      rooms[all]! += room;
    }
    for (let zone = 0; zone <= all; zone++) if (needs[zone]! > rooms[zone]!) return false;
    return true;
  }

  /** Adds a VM's need to each spot that it can come to. Returns the zone of all of them; -1: there are several. */
  #addReach(vm: number, need: number): number {
    const { words, zoneOf } = this.network;
    let only = -2;
    for (let word = 0; word < words; word++) {
      let bits = this.spots.bits[vm * words + word]!;
      for (; bits !== 0; bits &= bits - 1) {
        const spot = word * 32 + 31 - Math.clz32(bits & -bits);
        this.#reach[spot]! += need;
        const zone = zoneOf[spot]!;
        only = only === -2 || only === zone ? zone : -1;
      }
    }
    return only;
  }
}
