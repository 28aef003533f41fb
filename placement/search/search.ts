/**
 * Finds a place for every VM, or proves that there is none: depth first, the VM with the fewest spots next, its best spot first, with
 * restarts that begin with the VMs at which the search failed before.
 *
 * SEARCH-1: `Found` keeps every required rule and overcommits nothing.
 * SEARCH-2: `None` is a proof: all that was left out is known to be no solution (DOMAINS-1) or to have a mirror image that was searched.
 */
import { NOWHERE, Assignment, REQUIRED } from './assignment';
import { type Balance, inSet, type Likeness, likenessOf, type Network, placeOf } from '../model';
import { countsProveNone, RoomLeft } from './bounds';
import type { Budget } from './budget';
import { Domains } from './domains';
import type { Random } from './random';

/** What a search came to. */
export type Verdict = { type: 'Found'; spotOf: Int32Array } | { type: 'None' } | { type: 'Unknown' };

/** Which spot is tried first: the one that is best by rules and balance, the one with least room to spare, or by chance. */
type Order = 'Best' | 'Tightest' | 'Chance';

const ORDERS: Order[] = ['Best', 'Tightest', 'Best', 'Chance'];

/** Failures after which the first attempt starts again, and how that grows with each. */
const FIRST_LIMIT = 60;
const GROWTH = 1.5;

/** Failures of an attempt before it counts the room that is left after each VM: where less fails, that costs more than it saves. */
const FEW_FAILURES = 10;

/** Searches until there is a verdict or the budget is over. */
export function search(
  network: Network,
  balance: (() => Balance) | undefined,
  random: Random,
  budget: Budget,
  attempts = Infinity,
): Verdict {
  return new Search(network, balance, random, budget).run(attempts);
}

/** A search in parts: each goes on with the weights that failures have given to VMs, and with longer attempts. */
export class Search {
  readonly #weights: Float64Array;
  readonly #classes: Likeness;
  #attempt = 0;
  #limit = FIRST_LIMIT;

  constructor(
    readonly network: Network,
    readonly balance: (() => Balance) | undefined,
    readonly random: Random,
    readonly budget: Budget,
  ) {
    this.#weights = new Float64Array(network.size).fill(1);
    this.#classes = likenessOf(network, 'Required');
  }

  /** Makes attempts until there is a verdict, so many are made, so many steps are taken, or the budget is over. */
  run(attempts: number, steps = Infinity): Verdict {
    const { network, balance, random, budget } = this;
    const lastAttempt = this.#attempt + attempts;
    const lastStep = budget.steps + steps;
    while (this.#attempt < lastAttempt && budget.steps < lastStep) {
      const order = ORDERS[this.#attempt % ORDERS.length]!;
      const assignment = new Assignment(network, balance?.());
      const descent = new Descent(network, assignment, this.#classes, this.#weights, order, random, budget);
      if (this.#attempt === 0 && !descent.canBegin()) return { type: 'None' };
      this.#attempt += 1;
      const verdict = descent.run(Math.floor(this.#limit));
      if (verdict !== undefined) return verdict;
      // The first descent always gets to its end: without it there is nothing.
      if (budget.isOver) break;
      this.#limit *= GROWTH;
    }
    return { type: 'Unknown' };
  }
}

/** Places that keep all required rules, drawn by chance; undefined: a short search came by none. */
export function draw(
  network: Network,
  balance: Balance,
  random: Random,
  budget: Budget,
): Int32Array | undefined {
  const weights = new Float64Array(network.size).fill(1);
  const assignment = new Assignment(network, balance);
  const classes = likenessOf(network, 'Required');
  const descent = new Descent(network, assignment, classes, weights, 'Chance', random, budget);
  const verdict = descent.run(FIRST_LIMIT);
  return verdict?.type === 'Found' ? verdict.spotOf : undefined;
}

/** One walk down, and back up at failures. */
class Descent {
  readonly #domains: Domains;
  readonly #remaining: RoomLeft;
  /** By level: the VM, the moment before it was placed, the spots that were tried, and the level before with the like of it. */
  readonly #vmAt: Int32Array;
  readonly #markAt: Int32Array;
  readonly #tried: Uint32Array;
  readonly #likeAt: Int32Array;
  /** By class of VMs: the last level with one. */
  readonly #lastOf: Int32Array;
  #begun: boolean | undefined;

  constructor(
    readonly network: Network,
    readonly assignment: Assignment,
    readonly classes: Likeness,
    readonly weights: Float64Array,
    readonly order: Order,
    readonly random: Random,
    readonly budget: Budget,
  ) {
    this.#domains = new Domains(network, assignment);
    this.#remaining = new RoomLeft(network, assignment, this.#domains);
    this.#vmAt = new Int32Array(network.size);
    this.#markAt = new Int32Array(network.size);
    this.#tried = new Uint32Array(network.size * network.words);
    this.#likeAt = new Int32Array(network.size);
    this.#lastOf = new Int32Array(network.size).fill(-1);
  }

  /** Whether the rules leave a spot for everybody before anything is decided, and counting does not tell that they cannot. */
  canBegin(): boolean {
    this.#begun ??= this.#domains.begin();
    return this.#begun && !countsProveNone(this.network, this.#domains);
  }

  /** Undefined: more than `limit` failures, or no step left. */
  run(limit: number): Verdict | undefined {
    const { network, assignment, budget } = this;
    if (network.size === 0) return { type: 'Found', spotOf: assignment.spotOf };
    this.#begun ??= this.#domains.begin();
    if (!this.#begun) return { type: 'None' };
    let failures = 0;
    let level = 0;
    this.#open(level, -1);
    while (level >= 0) {
      const vm = this.#vmAt[level]!;
      const spot = this.#nextSpot(level, vm);
      if (spot === -1) {
        this.weights[vm]! += 1;
        level = this.#close(level);
        continue;
      }
      this.#tried[level * network.words + (spot >>> 5)]! |= 1 << (spot & 31);
      this.#markAt[level] = this.#domains.mark();
      assignment.place(vm, spot);
      const holds = this.#domains.placed(vm, spot);
      if (holds && (failures < FEW_FAILURES || this.#remaining.isEnough())) {
        if (level + 1 === network.size) return { type: 'Found', spotOf: assignment.spotOf };
        this.#open(++level, vm);
        continue;
      }
      this.weights[holds ? vm : this.#domains.blamed]! += 1;
      this.#takeBack(level);
      failures += 1;
      if (failures > limit || (failures > 1 && budget.isOver)) return undefined;
    }
    return { type: 'None' };
  }

  /** Chooses the VM of a level. */
  #open(level: number, before: number): void {
    const vm = this.#nextVm(before);
    this.#vmAt[level] = vm;
    this.#tried.fill(0, level * this.network.words, (level + 1) * this.network.words);
    const kind = this.classes.vms[vm]!;
    this.#likeAt[level] = this.#lastOf[kind]!;
    this.#lastOf[kind] = level;
  }

  /** Goes back to the level before, and takes its VM up again. */
  #close(level: number): number {
    this.#lastOf[this.classes.vms[this.#vmAt[level]!]!] = this.#likeAt[level]!;
    if (level > 0) this.#takeBack(level - 1);
    return level - 1;
  }

  #takeBack(level: number): void {
    this.assignment.remove(this.#vmAt[level]!);
    this.#domains.undo(this.#markAt[level]!);
  }

  /** The partner that the VM placed last waits for; else the VM with fewest spots for the trouble it has made, the biggest of them. */
  #nextVm(before: number): number {
    const { network, assignment } = this;
    const { sizes } = this.#domains;
    if (before !== -1 && assignment.broken > 0) {
      const partner = this.#partnerOf(before);
      if (partner !== -1) return partner;
    }
    let best = -1;
    let bestSize = Infinity;
    for (let vm = 0; vm < network.size; vm++) {
      if (assignment.spotOf[vm] !== NOWHERE) continue;
      const size = sizes[vm]! <= 1 ? 0 : sizes[vm]! / this.weights[vm]!;
      if (size < bestSize || (size === bestSize && this.#isBigger(vm, best))) {
        best = vm;
        bestSize = size;
      }
    }
    return best;
  }

  #isBigger(vm: number, other: number): boolean {
    const { cpus, memory } = this.network;
    return cpus[vm]! > cpus[other]! || (cpus[vm] === cpus[other] && memory[vm]! > memory[other]!);
  }

  #partnerOf(vm: number): number {
    const { network, assignment } = this;
    const spot = assignment.spotOf[vm]!;
    for (let at = network.from[vm]!; at < network.from[vm + 1]!; at++) {
      const bond = network.bondOf[at]!;
      if (!network.isAffinity[bond] || !network.isRequired[bond]) continue;
      if (assignment.lack(bond, network.offset[bond]! + placeOf(network, bond, spot)) === 0) continue;
      let best = -1;
      for (const other of network.matched[bond]!) {
        if (assignment.spotOf[other] !== NOWHERE || !this.#domains.has(other, spot)) continue;
        if (best === -1 || this.#domains.sizes[other]! < this.#domains.sizes[best]!) best = other;
      }
      if (best !== -1) return best;
    }
    return -1;
  }

  /** The best spot that was not tried, nor the mirror image of one; -1: none is left. */
  #nextSpot(level: number, vm: number): number {
    const { network, budget } = this;
    const fresh = new Set<number>();
    this.#addTriedFresh(level, fresh);
    let best = -1;
    let bestCost = Infinity;
    for (let spot = 0; spot < network.spots; spot++) {
      if (!this.#domains.has(vm, spot) || this.#isTried(level, spot)) continue;
      if (this.assignment.vms[spot] === 0 && this.classes.spots[spot] !== -1) {
        // Of spots that are alike in everything one is enough.
        if (fresh.has(this.classes.spots[spot]!)) continue;
        fresh.add(this.classes.spots[spot]!);
      }
      budget.steps += 1;
      const cost = this.#costOf(vm, spot);
      if (cost >= bestCost) continue;
      best = spot;
      bestCost = cost;
    }
    return best;
  }

  /** Tried here, or tried in vain for a VM that is alike and was placed before. */
  #isTried(level: number, spot: number): boolean {
    const { words } = this.network;
    if (inSet(this.#tried, level * words, spot)) return true;
    for (let like = this.#likeAt[level]!; like !== -1; like = this.#likeAt[like]!)
      if (inSet(this.#tried, like * words, spot) && this.assignment.spotOf[this.#vmAt[like]!] !== spot)
        return true;
    return false;
  }

  #addTriedFresh(level: number, fresh: Set<number>): void {
    const { network, assignment } = this;
    for (let word = 0; word < network.words; word++) {
      let tried = this.#tried[level * network.words + word]!;
      for (; tried !== 0; tried &= tried - 1) {
        const spot = word * 32 + 31 - Math.clz32(tried & -tried);
        if (assignment.vms[spot] === 0) fresh.add(this.classes.spots[spot]!);
      }
    }
  }

  #costOf(vm: number, spot: number): number {
    const { assignment } = this;
    switch (this.order) {
      case 'Best':
        return assignment.costOf(vm, spot);
      case 'Tightest':
        return this.#roomLeft(vm, spot) + REQUIRED * Math.floor(assignment.costOf(vm, spot) / REQUIRED + 0.5);
      case 'Chance':
        return assignment.costOf(vm, spot) + this.random.below(1024) / 512;
    }
  }

  #roomLeft(vm: number, spot: number): number {
    const { network, assignment } = this;
    const share = (free: number, need: number, all: number): number =>
      all > 0 && all < Infinity ? (free - need) / all : 1;
    return (
      share(assignment.freeCpus[spot]!, network.cpus[vm]!, network.freeCpus[spot]!) +
      share(assignment.freeMemory[spot]!, network.memory[vm]!, network.freeMemory[spot]!)
    );
  }
}
