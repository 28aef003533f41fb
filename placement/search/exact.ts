/**
 * The best places of a few VMs, all of a problem or some of it, with the proof that none are better: depth first through all that keep every
 * required rule, except for what cannot be better than the best so far, and for mirror images of what was looked at.
 */
import { Assignment, DUST, NOWHERE } from './assignment';
import { type Balance, HOLDS, likenessOf, MATCHES, type Network, placeOf } from '../model';
import type { Budget } from './budget';
import { Domains } from './domains';

/** Most VMs for which the proof is tried. It is nearly always found for 8 VMs, half of the time for 12, rarely for more. */
const MOST_VMS = 12;

/** Steps after which the proof is given up. */
const STEPS = 20_000;
const REPACK_STEPS = 1_000;

/**
 * Makes a complete assignment that breaks nothing the best one of all, or the best one that was found in time.
 *
 * @param balance of an assignment without VMs.
 * @returns whether it is proven that none is better.
 */
export function exhaust(best: Assignment, balance: Balance, budget: Budget): boolean {
  const { size } = best.network;
  if (size > MOST_VMS) return false;
  const all = Array.from({ length: size }, (_, vm) => vm);
  return new Exhaustion(best, balance, budget, all, STEPS).run();
}

/**
 * Moves some VMs of such an assignment to the best spots that a few steps find; the others stay where they are.
 *
 * @param balance of an assignment without VMs.
 */
export function repack(best: Assignment, balance: Balance, budget: Budget, vms: number[]): void {
  new Exhaustion(best, balance, budget, vms, REPACK_STEPS).run();
}

/**
 * VMs are placed in a fixed order. So of mirror images exactly the first one is looked at: VMs that are alike stand in the order of the spots,
 * and of spots that are alike none is used before those that come before it.
 */
class Exhaustion {
  readonly #network: Network;
  readonly #assignment: Assignment;
  readonly #domains: Domains;
  readonly #end: number;
  readonly #order: Int32Array;
  /** By level: the last level before it with a VM that is alike; -1: none. */
  readonly #likeAt: Int32Array;
  /** By spot; -1: it is like no other. */
  readonly #spotKinds: Int32Array;

  constructor(
    readonly best: Assignment,
    readonly balance: Balance,
    readonly budget: Budget,
    vms: number[],
    steps: number,
  ) {
    const { network } = best;
    this.#network = network;
    this.#assignment = new Assignment(network, balance);
    this.#domains = new Domains(network, this.#assignment);
    this.#end = Math.min(budget.limit, budget.steps + steps);
    this.#order = orderOf(network, vms);
    const like = likenessOf(network, 'Score');
    const kinds = Array.from(this.#order, (vm) => like.vms[vm]!);
    this.#likeAt = Int32Array.from(kinds, (kind, level) => kinds.slice(0, level).lastIndexOf(kind));
    this.#spotKinds = like.spots;
  }

  run(): boolean {
    // Every place of every VM is looked at once.
    this.budget.steps += this.#network.size * this.#network.spots;
    if (!this.#domains.begin()) return false;
    const chosen = new Set(this.#order);
    for (const [vm, spot] of this.best.spotOf.entries()) {
      if (chosen.has(vm)) continue;
      this.#assignment.place(vm, spot);
      if (!this.#domains.placed(vm, spot)) return false;
    }
    return this.#visit(0);
  }

  /** Looks at every way to go on; false: the steps have ended before. */
  #visit(level: number): boolean {
    const { best, budget } = this;
    if (level === this.#order.length) {
      if (this.#assignment.cost < best.cost - DUST) best.take(this.#assignment.spotOf);
      return true;
    }
    if (budget.steps >= this.#end || budget.isOver) return false;
    const vm = this.#order[level]!;
    const others = this.#leastWithout(level);
    const ways = this.#spotsOf(level).map((spot) => ({ spot, cost: others + this.#costOf(vm, spot) }));
    ways.sort((one, other) => one.cost - other.cost);
    for (const { spot, cost } of ways) {
      if (cost >= best.cost - DUST) break;
      const mark = this.#domains.spots.mark();
      this.#assignment.place(vm, spot);
      const isDone = !this.#domains.placed(vm, spot) || this.#visit(level + 1);
      this.#assignment.remove(vm);
      this.#domains.spots.undo(mark);
      if (!isDone) return false;
    }
    return true;
  }

  /** The spots to be tried for the VM of a level. */
  #spotsOf(level: number): number[] {
    const like = this.#likeAt[level]!;
    const first = like === -1 ? 0 : this.#assignment.spotOf[this.#order[like]!]!;
    const unused = new Set<number>();
    const found: number[] = [];
    for (let spot = 0; spot < this.#network.spots; spot++) {
      if (!this.#domains.spots.has(this.#order[level]!, spot)) continue;
      const kind = this.#spotKinds[spot]!;
      if (kind !== -1 && this.#assignment.vms[spot] === 0) {
        if (unused.has(kind)) continue;
        unused.add(kind);
      }
      if (spot >= first) found.push(spot);
    }
    return found;
  }

  /** The least that all comes to without the VM of this level: what is lost already, and what each VM after it adds where it adds least. */
  #leastWithout(level: number): number {
    const { spots } = this.#network;
    let sum = this.balance.cost + this.#lost();
    for (let next = level + 1; next < this.#order.length; next++) {
      const vm = this.#order[next]!;
      let least = Infinity;
      for (let spot = 0; spot < spots; spot++)
        if (this.#domains.spots.has(vm, spot)) least = Math.min(least, this.#costOf(vm, spot));
      sum += least;
    }
    return sum;
  }

  /** What preferred rules of VMs that stand lose, whatever comes. */
  #lost(): number {
    const network = this.#network;
    let sum = 0;
    for (let bond = 0; bond < network.bonds; bond++) {
      if (network.isRequired[bond]) continue;
      const places = network.overZones[bond] ? network.zones : network.spots;
      for (let place = 0; place < places; place++) {
        const lack = this.#assignment.lack(bond, network.offset[bond]! + place);
        if (lack > 0 && !(network.isAffinity[bond] && this.#mayCome(bond, place, NOWHERE))) sum += lack;
      }
    }
    return sum;
  }

  /** What a VM adds on a spot, whatever comes: to the load, and to what preferred rules between it and those that stand lose. */
  #costOf(vm: number, spot: number): number {
    this.budget.steps += 1;
    const network = this.#network;
    const { matchedAt, heldAt, bothAt } = this.#assignment;
    let cost = this.balance.added(vm, spot);
    for (let at = network.from[vm]!; at < network.from[vm + 1]!; at++) {
      const bond = network.bondOf[at]!;
      const place = network.isRequired[bond] ? -1 : placeOf(network, bond, spot);
      if (place === -1) continue;
      const index = network.offset[bond]! + place;
      const parts = network.parts[at]!;
      if (network.isAffinity[bond]) {
        if (parts & HOLDS && matchedAt[index] === 0 && !this.#mayCome(bond, place, vm)) cost += 1;
        continue;
      }
      const total = network.matchedTotal[bond]!;
      const both = bothAt[index]!;
      if (parts & HOLDS) cost += matchedAt[index]! / (parts & MATCHES ? total - 1 : total);
      if (parts & MATCHES) cost += (heldAt[index]! - both) / total + (both > 0 ? both / (total - 1) : 0);
    }
    return cost;
  }

  /** Whether a VM that the bond selects, other than `except`, may still come to a place. */
  #mayCome(bond: number, place: number, except: number): boolean {
    for (const vm of this.#network.matched[bond]!)
      if (
        vm !== except &&
        this.#assignment.spotOf[vm] === NOWHERE &&
        this.#domains.spots.canReach(vm, bond, place)
      )
        return true;
    return false;
  }
}

/** The VMs with the most bonds first, then the biggest. */
function orderOf({ from, cpus, memory }: Network, vms: number[]): Int32Array {
  const bonds = (vm: number): number => from[vm + 1]! - from[vm]!;
  return Int32Array.from(vms).sort(
    (one, other) =>
      bonds(other) - bonds(one) || cpus[other]! - cpus[one]! || memory[other]! - memory[one]! || one - other,
  );
}
