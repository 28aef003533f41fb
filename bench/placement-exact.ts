/**
 * The best answer of a small placement problem, by branch and bound: every answer is either looked at or proven to be no better than the
 * best one by more than a tolerance. Slow, and the reference of the benchmark.
 */
import { Assignment, NOWHERE } from '../placement/assignment';
import { readProblem, type Model } from '../placement/model';
import { layOut, MATCHES, HOLDS, placeOf, type Network } from '../placement/network';
import type { PlacementProblem } from '../placement';
import { Domains } from '../placement/propagate';

/** What is known of the best answer. */
export interface Proof {
  /** No answer has a greater `score.total`. */
  bound: number;
  /** Answers that were not looked at could be better by no more than the tolerance. */
  closed: boolean;
  nodes: number;
}

/** Proves how good an answer can be, beginning with one whose `score.total` is `known`. */
export function proveBest(
  problem: PlacementProblem,
  known: number,
  tolerance: number,
  maxNodes: number,
): Proof {
  const model = readProblem(problem);
  const search = new Exact(model, known, tolerance, maxNodes);
  return search.run();
}

/** Everything is counted as cost: weight that preferred rules lose, and how uneven the load is. `total = 1 - cost / (terms + 1)`. */
class Exact {
  readonly #network: Network;
  readonly #assignment: Assignment;
  readonly #domains: Domains;
  readonly #evenness: Evenness;
  readonly #scale: number;
  readonly #order: Int32Array;
  #best: number;
  #nodes = 0;
  /** Smallest bound of what was cut off or not looked at. */
  #open = Infinity;
  readonly #slack: number;

  constructor(
    model: Model,
    known: number,
    tolerance: number,
    readonly maxNodes: number,
  ) {
    this.#network = layOut(model, { room: true, preferred: true });
    this.#assignment = new Assignment(this.#network);
    this.#domains = new Domains(this.#network, this.#assignment);
    this.#evenness = new Evenness(model);
    const terms = model.terms
      .flat()
      .filter(({ term, binds, isRepeated }) => term.strength === 'Preferred' && binds && !isRepeated).length;
    this.#scale = terms + 1;
    this.#best = (1 - known) * this.#scale;
    this.#slack = tolerance * this.#scale;
    this.#order = Int32Array.from({ length: this.#network.size }, (_, vm) => this.#weightOf(vm));
  }

  run(): Proof {
    if (this.#domains.begin()) this.#visit(0);
    const cost = Math.min(this.#best, this.#open);
    return {
      bound: 1 - cost / this.#scale,
      closed: this.#nodes < this.maxNodes,
      nodes: this.#nodes,
    };
  }

  /** Preferred rules that the VM has a part in. */
  #weightOf(vm: number): number {
    const { from, bondOf, isRequired } = this.#network;
    let count = 0;
    for (let at = from[vm]!; at < from[vm + 1]!; at++) if (!isRequired[bondOf[at]!]) count += 1;
    return count;
  }

  #visit(depth: number): void {
    this.#nodes += 1;
    const assignment = this.#assignment;
    if (depth === this.#network.size) {
      const cost = this.#lost(false) + this.#evenness.cost();
      this.#best = Math.min(this.#best, cost);
      return;
    }
    const bound = this.#lost(true) + this.#evenness.bound();
    if (bound >= this.#best - this.#slack || this.#nodes >= this.maxNodes) {
      this.#open = Math.min(this.#open, bound);
      return;
    }
    const vm = this.#next();
    for (const spot of this.#spotsOf(vm)) {
      const mark = this.#domains.mark();
      assignment.place(vm, spot);
      this.#evenness.change(vm, spot, 1);
      if (this.#domains.placed(vm, spot)) this.#visit(depth + 1);
      this.#evenness.change(vm, spot, -1);
      assignment.remove(vm);
      this.#domains.undo(mark);
    }
  }

  #next(): number {
    let best = -1;
    let value = -Infinity;
    for (let vm = 0; vm < this.#network.size; vm++) {
      if (this.#assignment.spotOf[vm] !== NOWHERE) continue;
      const size = this.#domains.sizes[vm]!;
      const worth =
        size <= 1 ? 1e9 : (1 + this.#order[vm]!) * 1000 - size * 10 + this.#network.memory[vm]! / 2 ** 34;
      if (worth <= value) continue;
      best = vm;
      value = worth;
    }
    return best;
  }

  /** The VM's spots, the cheapest first; of empty hosts that are alike one. */
  #spotsOf(vm: number): number[] {
    const assignment = this.#assignment;
    const { network } = assignment;
    const seen = new Set<string>();
    const spots: { spot: number; cost: number }[] = [];
    for (let spot = 0; spot < network.spots; spot++) {
      if (!this.#domains.has(vm, spot)) continue;
      if (assignment.vms[spot] === 0 && network.size === this.#evenness.entities) {
        const like = [network.zoneOf[spot], network.freeCpus[spot], network.freeMemory[spot]].join();
        if (seen.has(like)) continue;
        seen.add(like);
      }
      spots.push({ spot, cost: this.#costOf(vm, spot) + this.#evenness.added(vm, spot) });
    }
    return spots.sort((one, other) => one.cost - other.cost).map(({ spot }) => spot);
  }

  /** What preferred rules lose at least (`isBound`), or lose where every VM has its place. */
  #lost(isBound: boolean): number {
    const assignment = this.#assignment;
    const { network } = assignment;
    let standing = 0;
    let byBond = 0;
    for (let bond = 0; bond < network.bonds; bond++) {
      if (network.isRequired[bond]) continue;
      const places = network.overZones[bond] ? network.zones : network.spots;
      let here = 0;
      for (let place = 0; place < places; place++) {
        const index = network.offset[bond]! + place;
        if (network.isAffinity[bond] && isBound) here += this.#lackForGood(bond, place);
        else here += assignment.lack(bond, index);
      }
      standing += here;
      byBond += Math.max(here, network.isAffinity[bond] ? 0 : this.#spreadOut(bond, places));
    }
    if (!isBound) return standing;
    let toCome = 0;
    for (let vm = 0; vm < network.size; vm++) {
      if (assignment.spotOf[vm] !== NOWHERE || this.#order[vm] === 0) continue;
      let least = Infinity;
      for (let spot = 0; spot < network.spots && least > 0; spot++)
        if (this.#domains.has(vm, spot)) least = Math.min(least, this.#costOf(vm, spot));
      toCome += least;
    }
    return Math.max(standing + toCome, byBond);
  }

  /** Terms of VMs that stand at a place where no partner can come any more. */
  #lackForGood(bond: number, place: number): number {
    const assignment = this.#assignment;
    const lack = assignment.lack(bond, assignment.network.offset[bond]! + place);
    return lack === 0 || this.#canCome(bond, place, -1) ? 0 : lack;
  }

  #canCome(bond: number, place: number, except: number): boolean {
    const assignment = this.#assignment;
    const { network } = assignment;
    for (const vm of network.matched[bond]!) {
      if (vm === except || assignment.spotOf[vm] !== NOWHERE) continue;
      for (let spot = 0; spot < network.spots; spot++)
        if (placeOf(network, bond, spot) === place && this.#domains.has(vm, spot)) return true;
    }
    return false;
  }

  /** What a VM's coming to a spot costs for certain, given those that stand. */
  #costOf(vm: number, spot: number): number {
    const assignment = this.#assignment;
    const { network } = assignment;
    let cost = 0;
    for (let at = network.from[vm]!; at < network.from[vm + 1]!; at++) {
      const bond = network.bondOf[at]!;
      if (network.isRequired[bond]) continue;
      const place = placeOf(network, bond, spot);
      const index = network.offset[bond]! + place;
      const parts = network.parts[at]!;
      if (network.isAffinity[bond]) {
        if (parts & HOLDS && assignment.matchedAt[index] === 0 && !this.#canCome(bond, place, vm)) cost += 1;
        continue;
      }
      const total = network.matchedTotal[bond]!;
      if (parts & HOLDS) cost += assignment.matchedAt[index]! / (parts & MATCHES ? total - 1 : total);
      if (parts & MATCHES) {
        const both = assignment.bothAt[index]!;
        cost += (assignment.heldAt[index]! - both) / total + (both > 0 ? both / (total - 1) : 0);
      }
    }
    return cost;
  }

  /** The least that VMs lose which all exclude each other, spread out as evenly as can be. */
  #spreadOut(bond: number, places: number): number {
    const assignment = this.#assignment;
    const { network } = assignment;
    const total = network.matchedTotal[bond]!;
    if (network.holders[bond]!.length !== total || network.matched[bond]!.length !== total || total < 2)
      return 0;
    const holders = new Set(network.holders[bond]);
    if (!network.matched[bond]!.every((vm) => holders.has(vm))) return 0;
    const first = network.offset[bond]!;
    const counts = Array.from({ length: places }, (_, place) => assignment.matchedAt[first + place]!);
    for (const vm of holders)
      if (assignment.spotOf[vm] === NOWHERE) counts[counts.indexOf(Math.min(...counts))]! += 1;
    return counts.reduce((sum, count) => sum + count * (count - 1), 0) / (total - 1);
  }
}

/** How uneven the load is, as the solver's documentation has it: see `placement/balance.ts`. */
class Evenness {
  readonly entities: number;
  readonly #zoneOf: number[];
  readonly #parts: {
    loads: number[];
    places: { load: number; capacity: number }[];
    ofZones: boolean;
    left: number;
    even: number;
    scale: number;
  }[];

  constructor(model: Model) {
    this.entities = model.entities.length;
    this.#zoneOf = model.spots.map(({ zone }) => zone);
    this.#parts = (['cpus', 'memory'] as const).flatMap((what) => {
      const loads = [...model[what]];
      const all = loads.reduce((sum, load) => sum + load, 0);
      const spots = model.spots.map((spot) => ({ load: 0, capacity: Math.max(1, spot[what]) }));
      const zones = model.zones.map((_, zone) => ({
        load: 0,
        capacity: spots.reduce(
          (sum, { capacity }, spot) => sum + (this.#zoneOf[spot] === zone ? capacity : 0),
          0,
        ),
      }));
      const capacity = spots.reduce((sum, spot) => sum + spot.capacity, 0);
      const share = all / capacity;
      const scale = share < 1 ? 1 / (capacity * (share - share * share)) : 0;
      const common = { loads, left: all, even: capacity * share * share, scale };
      return [
        { ...common, places: spots, ofZones: false },
        { ...common, places: zones, ofZones: true },
      ];
    });
  }

  change(vm: number, spot: number, sign: 1 | -1): void {
    for (const part of this.#parts) {
      part.places[part.ofZones ? this.#zoneOf[spot]! : spot]!.load += sign * part.loads[vm]!;
      part.left -= sign * part.loads[vm]!;
    }
  }

  added(vm: number, spot: number): number {
    let sum = 0;
    for (const { places, ofZones, loads, scale } of this.#parts) {
      const { load, capacity } = places[ofZones ? this.#zoneOf[spot]! : spot]!;
      sum += (scale * loads[vm]! * (2 * load + loads[vm]!)) / capacity;
    }
    return sum / 4;
  }

  cost(): number {
    return this.#sum(({ places }) =>
      places.reduce((sum, { load, capacity }) => sum + (load * load) / capacity, 0),
    );
  }

  /** With what is left poured in like water, which is at least as even as whole VMs can be. */
  bound(): number {
    return this.#sum(({ places, left }) => {
      const lowest = [...places].sort((one, other) => one.load / one.capacity - other.load / other.capacity);
      let water = left;
      let capacity = 0;
      let level = 0;
      for (const [at, place] of lowest.entries()) {
        water += place.load;
        capacity += place.capacity;
        level = water / capacity;
        const next = lowest[at + 1];
        if (!next || level <= next.load / next.capacity) break;
      }
      return places.reduce((sum, place) => {
        const share = Math.max(level, place.load / place.capacity);
        return sum + share * share * place.capacity;
      }, 0);
    });
  }

  #sum(of: (part: { places: { load: number; capacity: number }[]; left: number }) => number): number {
    return this.#parts.reduce((sum, part) => sum + (of(part) - part.even) * part.scale, 0) / 4;
  }
}
