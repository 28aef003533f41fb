/**
 * Makes a complete assignment better by small changes: one VM to another spot, two VMs in each other's place, a VM with those bound to its
 * host. A change is taken when it is no worse than what stood a while ago (late acceptance), so that the walk gets over small hills.
 */
import { type Assignment, DUST, NOWHERE } from './assignment';
import { type Balance, HOLDS, inSet, type Network } from '../model';
import type { Budget } from './budget';
import { repack } from './exact';
import type { Random } from './random';
import { draw } from './search';

/** Steps of a walk that repairs, for each VM. */
const WALK = 100;

/** Steps of a walk that looks for better places, for each VM. */
const POLISH = 100;

/** Most VMs for which a walk from a new assignment can succeed, and repacking some VMs is fast enough. */
const SMALL = 100;

/** How often some VMs are repacked after a walk, and how many at most. */
const REPACKS = 5;
const REPACKED = 12;

/** Walks in a row without an improvement before the search ends. */
const PATIENCE = 25;

/**
 * Walks for `steps` steps and leaves the best assignment that it came by.
 *
 * @param stopWhenClean ends as soon as nothing required is broken and nothing overcommitted.
 */
export function improve(
  assignment: Assignment,
  random: Random,
  budget: Budget,
  steps: number,
  stopWhenClean = false,
): void {
  const { network } = assignment;
  if (network.size === 0 || network.spots === 0) return;
  const walk = new Walk(assignment, random);
  const end = Math.min(budget.limit, budget.steps + steps);
  const history = new Float64Array(Math.max(20, Math.min(500, network.size * 2))).fill(assignment.cost);
  const best = { spotOf: assignment.spotOf.slice(), cost: assignment.cost };
  const mustBeClean = assignment.strictness < 1;
  for (let step = 0; budget.steps < end && !budget.isOver; step++) {
    budget.steps += 1;
    const before = assignment.cost;
    if (!walk.change()) continue;
    let cost = assignment.cost;
    const at = step % history.length;
    if (cost > before + DUST && cost >= history[at]!) {
      walk.takeBack();
      cost = before;
    }
    if (cost < history[at]!) history[at] = cost;
    const isClean = assignment.broken === 0 && assignment.overflow === 0;
    if (cost < best.cost - DUST && (isClean || !mustBeClean)) {
      best.cost = cost;
      best.spotOf.set(assignment.spotOf);
      if (stopWhenClean && isClean) return;
    }
  }
  assignment.take(best.spotOf);
}

/**
 * Looks for an assignment that breaks nothing: short walks, each from where the last one ended after some VMs were moved at random.
 *
 * @returns whether one was found; it is the assignment then.
 */
export function repair(assignment: Assignment, random: Random, budget: Budget, steps: number): boolean {
  const { network } = assignment;
  complete(assignment, budget);
  const end = Math.min(budget.limit, budget.steps + steps);
  const walk = new Walk(assignment, random);
  const length = WALK * (10 + network.size);
  for (let round = 0; ; round++) {
    improve(assignment, random, budget, Math.min(length, end - budget.steps), true);
    if (assignment.broken === 0 && assignment.overflow === 0) return true;
    if (budget.steps >= end || budget.isOver) return false;
    walk.throwAbout(2 + random.below(Math.max(1, Math.floor(network.size / 4))));
  }
}

/**
 * Spends the budget on a complete assignment that breaks nothing: walks from the best one so far, by turns after some VMs were moved at random,
 * through assignments that break something (where all is full, the way to a better one leads there), and from a new one. After each
 * walk, some VMs at a time are repacked. Ends after many walks in a row without an improvement.
 *
 * @param balance makes that of an assignment without VMs.
 */
export function polish(assignment: Assignment, random: Random, budget: Budget, balance: () => Balance): void {
  const { network } = assignment;
  const length = POLISH * (10 + network.size);
  if (network.size === 0 || network.spots < 2) return;
  const walk = new Walk(assignment, random);
  const best = { spotOf: assignment.spotOf.slice(), cost: assignment.cost };
  for (let round = 0, idle = 0; idle < PATIENCE && !budget.isOver; round++) {
    beginRound(round, walk, budget, balance, length);
    improve(assignment, random, budget, length);
    assignment.strictness = 1;
    const isClean = assignment.broken === 0 && assignment.overflow === 0;
    if (isClean) repackSome(assignment, random, budget, balance);
    idle += 1;
    if (isClean && assignment.cost < best.cost - DUST) {
      best.spotOf.set(assignment.spotOf);
      best.cost = assignment.cost;
      idle = 0;
    }
    assignment.take(best.spotOf);
  }
}

/** Leaves the best assignment so far: by a few moves, by breaking rules for a while, or for a new one. */
function beginRound(round: number, walk: Walk, budget: Budget, balance: () => Balance, length: number): void {
  const { assignment, random } = walk;
  const { network } = assignment;
  const turns = network.size <= SMALL ? 3 : 2;
  if (round > 0 && round % turns === 0) walk.throwAbout(2 + random.below(Math.min(10, network.size)));
  if (round % turns === 1) assignment.strictness = 1 / (2 << random.below(5));
  if (round % turns !== 2) return;
  const start = draw(network, balance(), random, budget);
  if (start) return assignment.take(start);
  walk.throwAbout(network.size);
  improve(assignment, random, budget, length, true);
}

/** Repacks some VMs at a time. */
function repackSome(assignment: Assignment, random: Random, budget: Budget, balance: () => Balance): void {
  const { size } = assignment.network;
  if (size > SMALL || size <= REPACKED) return;
  for (let times = 0; times < REPACKS && !budget.isOver; times++)
    repack(assignment, balance(), budget, someVms(assignment, random));
}

/** By chance any VMs, or all of some spots. */
function someVms({ network, spotOf }: Assignment, random: Random): number[] {
  const some = (): number => random.below(network.size);
  if (random.below(2) === 0) return [...new Set(Array.from({ length: REPACKED }, some))];
  const chosen: number[] = [];
  const spots = new Set<number>();
  for (let look = 0; look < 8; look++) {
    const spot = spotOf[some()]!;
    if (spots.has(spot)) continue;
    spots.add(spot);
    const here = [...spotOf.keys()].filter((vm) => spotOf[vm] === spot);
    if (chosen.length === 0 || chosen.length + here.length <= REPACKED) chosen.push(...here);
  }
  return chosen;
}

/** Puts every VM that stands nowhere onto the spot where it breaks least. */
function complete(assignment: Assignment, budget: Budget): void {
  const { network } = assignment;
  for (let vm = 0; vm < network.size; vm++) {
    if (assignment.spotOf[vm] !== NOWHERE) continue;
    let best = NOWHERE;
    let bestCost = Infinity;
    for (let spot = 0; spot < network.spots; spot++) {
      if (!inSet(network.domains, vm * network.words, spot)) continue;
      budget.steps += 1;
      assignment.place(vm, spot);
      if (assignment.cost < bestCost) {
        best = spot;
        bestCost = assignment.cost;
      }
      assignment.remove(vm);
    }
    assignment.place(vm, best);
  }
}

/** Random changes, each of which can be undone until the next one. */
class Walk {
  /** Pairs: a VM that was moved, and where it stood. */
  readonly #moved: number[] = [];
  readonly #spots: Int32Array[];

  constructor(
    readonly assignment: Assignment,
    readonly random: Random,
  ) {
    this.#spots = spotsOf(assignment.network);
  }

  /** Makes some change; false: none that could be of use was found. */
  change(): boolean {
    this.#moved.length = 0;
    const { network, spotOf } = this.assignment;
    const vm = this.#someVm();
    const kind = this.random.below(16);
    if (kind < 6 && network.size > 1) return this.#swap(vm, this.random.below(network.size));
    const spots = this.#spots[vm]!;
    const spot = spots[this.random.below(spots.length)]!;
    if (spot === spotOf[vm]) return false;
    if (kind < 8) return this.#moveTogether(vm, spot);
    if (!this.#mayCome(vm, spot)) return false;
    this.#move(vm, spot);
    return true;
  }

  /** Moves some VMs to whatever spots. */
  throwAbout(count: number): void {
    for (let at = 0; at < count; at++) {
      const vm = this.random.below(this.assignment.network.size);
      const spots = this.#spots[vm]!;
      this.assignment.move(vm, spots[this.random.below(spots.length)]!);
    }
  }

  takeBack(): void {
    for (let spot = this.#moved.pop(); spot !== undefined; spot = this.#moved.pop())
      this.assignment.move(this.#moved.pop()!, spot);
  }

  /** Any VM; where something is overcommitted, one that stands there more often than not. */
  #someVm(): number {
    const { network, overflow, freeCpus, freeMemory, spotOf } = this.assignment;
    let vm = this.random.below(network.size);
    if (overflow === 0) return vm;
    for (let look = 0; look < 8; look++) {
      const spot = spotOf[vm]!;
      if (freeCpus[spot]! < 0 || freeMemory[spot]! < 0) break;
      vm = this.random.below(network.size);
    }
    return vm;
  }

  #move(vm: number, spot: number): void {
    this.#moved.push(vm, this.assignment.spotOf[vm]!);
    this.assignment.move(vm, spot);
  }

  /** While everything has room, a change that would overcommit a spot is not even tried. */
  #mayCome(vm: number, spot: number): boolean {
    return this.assignment.overflow > 0 || this.assignment.strictness < 1 || this.assignment.fits(vm, spot);
  }

  #swap(vm: number, other: number): boolean {
    const { network, spotOf } = this.assignment;
    const from = spotOf[vm]!;
    const to = spotOf[other]!;
    if (from === to) return false;
    if (
      !inSet(network.domains, vm * network.words, to) ||
      !inSet(network.domains, other * network.words, from)
    )
      return false;
    this.#move(vm, to);
    this.#move(other, from);
    return true;
  }

  /** Moves a VM and all on its host that an affinity over hosts binds to it, directly or through others. */
  #moveTogether(vm: number, to: number): boolean {
    const { assignment } = this;
    const { network, spotOf } = assignment;
    const from = spotOf[vm]!;
    const together = [vm];
    for (const each of together) {
      for (let at = network.from[each]!; at < network.from[each + 1]!; at++) {
        const bond = network.bondOf[at]!;
        if (!network.isAffinity[bond] || network.overZones[bond]) continue;
        const others = network.parts[at]! & HOLDS ? network.matched[bond]! : network.holders[bond]!;
        for (const other of others)
          if (spotOf[other] === from && !together.includes(other)) together.push(other);
      }
    }
    if (together.length === 1) return false;
    if (!together.every((each) => inSet(network.domains, each * network.words, to))) return false;
    for (const each of together) this.#move(each, to);
    return true;
  }
}

/** By VM: the spots that it may be on if other VMs are ignored. */
function spotsOf(network: Network): Int32Array[] {
  const known = new Map<string, Int32Array>();
  return Array.from({ length: network.size }, (_, vm) => {
    const text = network.domains.subarray(vm * network.words, (vm + 1) * network.words).join();
    let spots = known.get(text);
    if (!spots) {
      const found: number[] = [];
      for (let spot = 0; spot < network.spots; spot++)
        if (inSet(network.domains, vm * network.words, spot)) found.push(spot);
      known.set(text, (spots = Int32Array.from(found)));
    }
    return spots;
  });
}
