/**
 * Places for VMs that fill their hosts nearly to the last: depth first, one spot after the other, with each set of VMs that leaves no more of it
 * unused than all spots together have to spare. Where little is to spare that leaves few sets, and a search VM by VM sees too late that a
 * spot cannot be filled.
 *
 * FILL-1: `Found` keeps every required rule and overcommits nothing.
 * FILL-2: `None` is a proof: each solution fills some spot with the VM at hand in one of the ways that were tried, or in their mirror image.
 */
import { likenessOf, type Likeness, type Network } from '../model';
import { Assignment, NOWHERE } from './assignment';
import type { Budget } from './budget';
import type { Verdict } from './descent';
import { Domains } from './domains';
import type { Random } from './random';

/** Share of the CPUs or of the memory that may be to spare: beyond, too many sets remain. */
const MOST_SPARE = 0.08;

/** Most VMs and spots. */
const MOST_VMS = 200;
const MOST_SPOTS = 64;

/** Failures after which the first attempt starts again in another order, and how that grows with each. */
const FIRST_LIMIT = 200;
const GROWTH = 1.5;

/** Whether VMs are few, and fill their spots so nearly that {@link Filling} can help. */
export function isTight(network: Network): boolean {
  const { size, spots, isHidden } = network;
  if (size < 2 || size > MOST_VMS || spots > MOST_SPOTS || isHidden.some((hidden) => hidden === 1))
    return false;
  const spare = (needs: Float64Array, rooms: Float64Array): number => {
    const room = sum(rooms.map((each) => Math.max(0, each)));
    return room > 0 && room < Infinity ? (room - sum(needs)) / room : 1;
  };
  const cpus = spare(network.cpus, network.freeCpus);
  const memory = spare(network.memory, network.freeMemory);
  return Math.min(cpus, memory) <= MOST_SPARE;
}

/** A search in parts, each with another order and more failures than the one before. */
export class Filling {
  readonly #classes: Likeness;
  #limit = FIRST_LIMIT;

  constructor(
    readonly network: Network,
    readonly random: Random,
    readonly budget: Budget,
  ) {
    this.#classes = likenessOf(network, 'Required');
  }

  /** Makes attempts until there is a verdict, so many steps are taken, or the budget is over. */
  run(steps: number): Verdict {
    const { network, random, budget } = this;
    const end = Math.min(budget.limit, budget.steps + steps);
    while (budget.steps < end && !budget.isOver) {
      const attempt = new Attempt(network, this.#classes, random, budget, Math.floor(this.#limit), end);
      const verdict = attempt.run();
      if (verdict.type !== 'Unknown') return verdict;
      this.#limit *= GROWTH;
    }
    return { type: 'Unknown' };
  }
}

/** One walk through the ways to fill spots. */
class Attempt {
  readonly #assignment: Assignment;
  readonly #domains: Domains;
  /** The biggest VMs first, with some chance. */
  readonly #order: Int32Array;
  /** Room of all open spots beyond what the VMs need that are not placed. */
  #spareCpus: number;
  #spareMemory: number;
  #waiting: number;
  #failures = 0;

  constructor(
    readonly network: Network,
    readonly classes: Likeness,
    readonly random: Random,
    readonly budget: Budget,
    readonly limit: number,
    readonly end: number,
  ) {
    this.#assignment = new Assignment(network);
    this.#domains = new Domains(network, this.#assignment);
    this.#order = orderOf(network, random);
    this.#waiting = network.size;
    this.#spareCpus = sum(network.freeCpus.map((free) => Math.max(0, free))) - sum(network.cpus);
    this.#spareMemory = sum(network.freeMemory.map((free) => Math.max(0, free))) - sum(network.memory);
  }

  run(): Verdict {
    if (this.#spareCpus < 0 || this.#spareMemory < 0 || !this.#domains.begin()) return { type: 'None' };
    if (this.#fillNext()) return { type: 'Found', spotOf: this.#assignment.spotOf };
    return { type: this.#isCut ? 'Unknown' : 'None' };
  }

  get #isCut(): boolean {
    return this.#failures > this.limit || this.budget.steps >= this.end || this.budget.isOver;
  }

  /** Fills the spots that are left, beginning with one for the VM that has the fewest. */
  #fillNext(): boolean {
    if (this.#waiting === 0) return this.#assignment.broken === 0;
    const vm = this.#scarcest();
    const fresh = new Set<number>();
    for (const spot of this.#spotsOf(vm)) {
      const kind = this.classes.spots[spot]!;
      if (this.#assignment.vms[spot] === 0 && kind !== -1) {
        // Of spots that are alike in everything one is enough.
        if (fresh.has(kind)) continue;
        fresh.add(kind);
      }
      if (this.#with(vm, spot, () => this.#fill(spot, 0))) return true;
      if (this.#isCut) return false;
    }
    return false;
  }

  #scarcest(): number {
    const { sizes } = this.#domains.spots;
    let best = -1;
    for (const vm of this.#order)
      if (this.#assignment.spotOf[vm] === NOWHERE && (best === -1 || sizes[vm]! < sizes[best]!)) best = vm;
    return best;
  }

  #spotsOf(vm: number): number[] {
    const found: number[] = [];
    for (let spot = 0; spot < this.network.spots; spot++)
      if (this.#domains.spots.has(vm, spot)) found.splice(this.random.below(found.length + 1), 0, spot);
    return found;
  }

  /** Adds VMs to a spot, in the order from `first` on, until no more than what is to spare stays unused. */
  #fill(spot: number, first: number): boolean {
    const { cpus, memory } = this.network;
    const { freeCpus, freeMemory, spotOf } = this.#assignment;
    let mayCpus = 0;
    let mayMemory = 0;
    for (let at = first; at < this.#order.length; at++) {
      const vm = this.#order[at]!;
      if (spotOf[vm] !== NOWHERE || !this.#domains.spots.has(vm, spot)) continue;
      mayCpus += cpus[vm]!;
      mayMemory += memory[vm]!;
    }
    const tried = new Set<number>();
    for (let at = first; at < this.#order.length; at++) {
      if (freeCpus[spot]! - mayCpus > this.#spareCpus || freeMemory[spot]! - mayMemory > this.#spareMemory)
        break;
      const vm = this.#order[at]!;
      if (spotOf[vm] !== NOWHERE || !this.#domains.spots.has(vm, spot)) continue;
      const kind = this.classes.vms[vm]!;
      if (!tried.has(kind)) {
        tried.add(kind);
        if (this.#with(vm, spot, () => this.#fill(spot, at + 1))) return true;
        if (this.#isCut) return false;
      }
      mayCpus -= cpus[vm]!;
      mayMemory -= memory[vm]!;
    }
    if (freeCpus[spot]! > this.#spareCpus || freeMemory[spot]! > this.#spareMemory) return this.#fail();
    return this.#close(spot);
  }

  /** Continues with a VM on a spot; takes it back if that leads nowhere. */
  #with(vm: number, spot: number, next: () => boolean): boolean {
    this.budget.steps += Math.ceil(this.network.spots / 4);
    const mark = this.#domains.spots.mark();
    this.#assignment.place(vm, spot);
    this.#waiting -= 1;
    if (this.#domains.placed(vm, spot) ? next() : this.#fail()) return true;
    this.#waiting += 1;
    this.#assignment.remove(vm);
    this.#domains.spots.undo(mark);
    return false;
  }

  /** Continues without any more VMs on a spot. */
  #close(spot: number): boolean {
    const unusedCpus = Math.max(0, this.#assignment.freeCpus[spot]!);
    const unusedMemory = Math.max(0, this.#assignment.freeMemory[spot]!);
    const mark = this.#domains.spots.mark();
    this.#spareCpus -= unusedCpus;
    this.#spareMemory -= unusedMemory;
    if (this.#domains.closed(spot) ? this.#fillNext() : this.#fail()) return true;
    this.#spareCpus += unusedCpus;
    this.#spareMemory += unusedMemory;
    this.#domains.spots.undo(mark);
    return false;
  }

  #fail(): false {
    this.#failures += 1;
    return false;
  }
}

/** Big VMs first; the sizes count up to a quarter more or less, so that attempts differ. */
function orderOf({ size, cpus, memory }: Network, random: Random): Int32Array {
  const most = (values: Float64Array): number => Math.max(1, ...values);
  const mostCpus = most(cpus);
  const mostMemory = most(memory);
  const weights = Float64Array.from({ length: size }, (_, vm) => {
    const share = Math.max(cpus[vm]! / mostCpus, memory[vm]! / mostMemory);
    return share * (1 + random.below(1024) / 4096);
  });
  return Int32Array.from({ length: size }, (_, vm) => vm).sort(
    (one, other) => weights[other]! - weights[one]! || one - other,
  );
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
