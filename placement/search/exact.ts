/**
 * The best places of a few VMs, all of a problem or some of it, with the proof that none are better: depth first through all that keep every
 * required rule, except for what cannot be better than the best so far, and for mirror images of what was looked at. VMs that are alike are bounded
 * together: what replicas that exclude each other, or fill the same hosts, add at least is what they add if they are spread in the best way.
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
  /** By VM: those of one kind are alike. */
  readonly #kinds: Int32Array;
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
    this.#kinds = like.vms;
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
    const { all, others } = this.#least(level);
    if (all >= best.cost - DUST) return true;
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

  /** The least that all comes to, and all but the VM of this level: what is lost already, and what VMs from this level on add at least. */
  #least(level: number): { all: number; others: number } {
    const now = this.balance.cost + this.#lost();
    const least = { all: now, others: now };
    const vm = this.#order[level]!;
    for (const vms of this.#alikeFrom(level)) {
      const { all, butOne } = this.#leastOf(vms);
      least.all += all;
      least.others += vms.includes(vm) ? butOne : all;
    }
    return least;
  }

  /** The VMs from a level on, together if they are alike and may come to the same spots: on a spot each of them adds the same. */
  #alikeFrom(level: number): number[][] {
    const groups: number[][] = [];
    for (let next = level; next < this.#order.length; next++) {
      const vm = this.#order[next]!;
      const alike = groups.find(
        ([first]) => this.#kinds[first!] === this.#kinds[vm] && this.#domains.spots.isSame(first!, vm),
      );
      if (alike) alike.push(vm);
      else groups.push([vm]);
    }
    return groups;
  }

  /**
   * The least that VMs which are alike add together, and all but one of them. On a spot, and in a zone, each next one adds more to the load than the
   * one before, so the cheapest ways together are the best choice.
   */
  #leastOf(vms: readonly number[]): { all: number; butOne: number } {
    const [network, balance, count] = [this.#network, this.balance, vms.length];
    const vm = vms[0]!;
    const [isAloneOnHost, isAloneInZone] = [this.#excludesItsLike(vm, 0), this.#excludesItsLike(vm, 1)];
    const byZone = Array.from({ length: network.zones }, (): number[] => []);
    for (let spot = 0; spot < network.spots; spot++) {
      if (!this.#domains.spots.has(vm, spot)) continue;
      const first = this.#costOf(vm, spot);
      const growth = balance.spotGrowth(vm, spot);
      const most = isAloneOnHost && !network.isHidden[spot] ? 1 : count;
      for (let nth = 0; nth < most; nth++) byZone[network.zoneOf[spot]!]!.push(first + nth * growth);
    }
    const costs = byZone.flatMap((ways, zone) => {
      const growth = balance.zoneGrowth(vm, zone);
      const most = isAloneInZone ? 1 : count;
      return ways
        .sort(ascending)
        .slice(0, most)
        .map((cost, nth) => cost + nth * growth);
    });
    if (costs.length < count) return { all: Infinity, butOne: Infinity };
    costs.sort(ascending);
    const butOne = costs.slice(0, count - 1).reduce((sum, cost) => sum + cost, 0);
    return { all: butOne + costs[count - 1]!, butOne };
  }

  /** Whether no two VMs like this one may share a host, or a zone. */
  #excludesItsLike(vm: number, overZones: number): boolean {
    const { from, bondOf, parts, isRequired, isAffinity, overZones: isOverZones } = this.#network;
    for (let at = from[vm]!; at < from[vm + 1]!; at++) {
      const bond = bondOf[at]!;
      const isMutual = parts[at] === (HOLDS | MATCHES);
      if (isMutual && isRequired[bond] && !isAffinity[bond] && isOverZones[bond] === overZones) return true;
    }
    return false;
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

function ascending(one: number, other: number): number {
  return one - other;
}

/** The VMs with the most bonds first, then the biggest. */
function orderOf({ from, cpus, memory }: Network, vms: number[]): Int32Array {
  const bonds = (vm: number): number => from[vm + 1]! - from[vm]!;
  return Int32Array.from(vms).sort(
    (one, other) =>
      bonds(other) - bonds(one) || cpus[other]! - cpus[one]! || memory[other]! - memory[one]! || one - other,
  );
}
