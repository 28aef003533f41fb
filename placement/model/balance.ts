/**
 * How evenly the used CPUs and memory are spread over hosts and over zones.
 *
 * The measure is the sum over places of `load² / capacity`: smallest if all places are used to the same share. It is scaled so that 1 is
 * perfectly even, and 0 means that every place is either full or empty.
 */
import type { Model } from './model';

/** Load of a VM without requests, as in the Kubernetes scheduler: without it, all such VMs would be placed on one host. */
const LEAST_CPUS = 100;
const LEAST_MEMORY = 200 * 2 ** 20;

/** Loads and capacities for one resource. */
interface Resource {
  /** By VM to be placed. */
  loads: Float64Array;
  /** By spot and by zone, of placed VMs. */
  spotLoads: Float64Array;
  zoneLoads: Float64Array;
  /** By spot and by zone: 1 / capacity. */
  spotShare: Float64Array;
  zoneShare: Float64Array;
  /** What one unit of the sum is worth on the scale from 0 to 1. */
  scale: number;
  /** The sum if the load is perfectly even. */
  even: number;
}

/** The loads while VMs are added and removed. A lower `cost` is more even; only differences between costs matter. */
export class Balance {
  readonly #resources: Resource[];
  readonly #zoneOf: Int32Array;
  /** Sum of unevenness over spots and zones, CPUs and memory, each a quarter. */
  cost = 0;

  constructor(model: Model) {
    this.#zoneOf = Int32Array.from(model.spots, ({ zone }) => zone);
    this.#resources = [
      resource(model, model.cpus, LEAST_CPUS, ({ cpus }) => cpus),
      resource(model, model.memory, LEAST_MEMORY, ({ memory }) => memory),
    ];
    for (const each of this.#resources) this.cost += (unevenSpots(each) + unevenZones(each)) / 4;
  }

  /** By how much `cost` would grow if the VM were added to the spot. */
  added(vm: number, spot: number): number {
    const zone = this.#zoneOf[spot]!;
    let sum = 0;
    for (const { loads, spotLoads, zoneLoads, spotShare, zoneShare, scale } of this.#resources) {
      const load = loads[vm]!;
      // (a + b)² - a² = b (2 a + b)
      sum += load * (2 * spotLoads[spot]! + load) * spotShare[spot]! * scale;
      sum += load * (2 * zoneLoads[zone]! + load) * zoneShare[zone]! * scale;
    }
    return sum / 4;
  }

  /** By how much more a second VM like this one would add to the same spot than the first, its zone not counted. */
  spotGrowth(vm: number, spot: number): number {
    return this.#growth(vm, ({ spotShare }) => spotShare[spot]!);
  }

  /** The same for its zone. */
  zoneGrowth(vm: number, zone: number): number {
    return this.#growth(vm, ({ zoneShare }) => zoneShare[zone]!);
  }

  #growth(vm: number, shareOf: (each: Resource) => number): number {
    let sum = 0;
    for (const each of this.#resources) sum += 2 * each.loads[vm]! ** 2 * shareOf(each) * each.scale;
    return sum / 4;
  }

  add(vm: number, spot: number): void {
    this.cost += this.added(vm, spot);
    this.#change(vm, spot, 1);
  }

  remove(vm: number, spot: number): void {
    this.#change(vm, spot, -1);
    this.cost -= this.added(vm, spot);
  }

  /** 1 is perfectly even. Computed from scratch, without the rounding errors of many additions. */
  evenness(): { spread: number; load: number } {
    const mean = (of: (each: Resource) => number): number =>
      this.#resources.reduce((sum, each) => sum + of(each), 0) / this.#resources.length;
    const clamp = (value: number): number => Math.min(1, Math.max(0, value));
    return { spread: clamp(1 - mean(unevenZones)), load: clamp(1 - mean(unevenSpots)) };
  }

  #change(vm: number, spot: number, sign: 1 | -1): void {
    const zone = this.#zoneOf[spot]!;
    for (const { loads, spotLoads, zoneLoads } of this.#resources) {
      spotLoads[spot]! += sign * loads[vm]!;
      zoneLoads[zone]! += sign * loads[vm]!;
    }
  }
}

function resource(
  model: Model,
  requests: Float64Array,
  least: number,
  capacityOf: (spot: { cpus: number; memory: number }) => number,
): Resource {
  const loads = Float64Array.from(requests, (request) => (request > 0 ? request : least));
  const total = loads.reduce((sum, load) => sum + load, 0);
  const spotLoads = new Float64Array(model.spots.length);
  const zoneLoads = new Float64Array(model.zones.length);
  const zoneCapacity = new Float64Array(model.zones.length);
  // A zone without a limit counts as one with room for all VMs.
  const capacity = model.spots.map((spot) => {
    const limit = capacityOf(spot);
    return Math.max(1, limit === Infinity ? total : limit);
  });
  let sum = 0;
  for (const [spot, { zone }] of model.spots.entries()) {
    if (!model.usable[spot]) continue;
    zoneCapacity[zone]! += capacity[spot]!;
    sum += capacity[spot]!;
  }
  let taken = loads.subarray(0, model.size).reduce((all, load) => all + load, 0);
  for (let entity = model.size; entity < model.entities.length; entity++) {
    const spot = model.spotOf[entity]!;
    if (spot === -1) continue;
    spotLoads[spot]! += loads[entity]!;
    zoneLoads[model.zoneOf[entity]!]! += loads[entity]!;
    if (model.usable[spot]) taken += loads[entity]!;
  }
  const share = sum > 0 ? taken / sum : 0;
  const scale = share > 0 && share < 1 ? 1 / (sum * (share - share * share)) : 0;
  return {
    loads: loads.slice(0, model.size),
    spotLoads,
    zoneLoads,
    spotShare: Float64Array.from(capacity, (limit, spot) => (model.usable[spot] ? 1 / limit : 0)),
    zoneShare: zoneCapacity.map((limit) => (limit > 0 ? 1 / limit : 0)),
    scale,
    even: sum * share * share,
  };
}

function unevenSpots({ spotLoads, spotShare, scale, even }: Resource): number {
  return (spotLoads.reduce((sum, load, at) => sum + load * load * spotShare[at]!, 0) - even) * scale;
}

function unevenZones({ zoneLoads, zoneShare, scale, even }: Resource): number {
  return (zoneLoads.reduce((sum, load, at) => sum + load * load * zoneShare[at]!, 0) - even) * scale;
}
