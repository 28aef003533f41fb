/** One attempt of a search: depth first, the VM with the fewest spots next, its best spot first. */
import { inSet, type Likeness, type Network } from '../model';
import type { Assignment } from './assignment';
import { REQUIRED } from './assignment';
import { countsProveNone, RoomLeft } from './bounds';
import type { Budget } from './budget';
import { Domains } from './domains';
import { NextVm } from './next-vm';
import type { Random } from './random';

/** The result of a search. */
export type Verdict = { type: 'Found'; spotOf: Int32Array } | { type: 'None' } | { type: 'Unknown' };

/** Which spot is tried first: the one that is best by rules and balance, the one with least room to spare, or by chance. */
export type Order = 'Best' | 'Tightest' | 'Chance';

/** Failures of an attempt before it counts the room that is left after each VM: where less fails, that costs more than it saves. */
const FEW_FAILURES = 10;

/** One walk down, and back up at failures. */
export class Descent {
  readonly #domains: Domains;
  readonly #remaining: RoomLeft;
  readonly #nextVms: NextVm;
  /** By level: the VM, the moment before it was placed, and the spots that were tried. */
  readonly #vmAt: Int32Array;
  readonly #markAt: Int32Array;
  readonly #tried: Uint32Array;
  /** By class of VMs: how many VMs it has. */
  readonly #members: Int32Array;
  /** By class of VMs: by spot, how many levels with one of them have tried it without success; absent: none has. */
  readonly #vain: (Int32Array | undefined)[] = [];
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
    this.#remaining = new RoomLeft(network, assignment, this.#domains.spots);
    this.#nextVms = new NextVm(network, assignment, this.#domains.spots, weights);
    this.#vmAt = new Int32Array(network.size);
    this.#markAt = new Int32Array(network.size);
    this.#members = new Int32Array(network.size);
    for (const kind of classes.vms) this.#members[kind]! += 1;
    this.#tried = new Uint32Array(network.size * network.words);
  }

  /** Whether the rules leave a spot for every VM before anything is decided, and counting does not prove otherwise. */
  canBegin(): boolean {
    this.#begun ??= this.#domains.begin();
    return this.#begun && !countsProveNone(this.network, this.#domains.spots);
  }

  /** Undefined: more than `limit` failures, or no step left. */
  run(limit: number): Verdict | undefined {
    const { network, assignment, budget } = this;
    if (network.size === 0) return { type: 'Found', spotOf: assignment.spotOf };
    this.#begun ??= this.#domains.begin();
    if (!this.#begun) return { type: 'None' };
    let failures = 0;
    let deadEnds = 0;
    let level = 0;
    this.#open(level, -1);
    while (level >= 0) {
      const vm = this.#vmAt[level]!;
      const spot = this.#nextSpot(level, vm);
      if (spot === -1) {
        this.weights[vm]! += 1;
        level = this.#close(level);
        deadEnds += 1;
        // Where only mirror images are left to try, many may follow each other without a failure.
        if (level >= 0 && deadEnds > 1 && budget.isOver) return undefined;
        continue;
      }
      this.#tried[level * network.words + (spot >>> 5)]! |= 1 << (spot & 31);
      this.#markAt[level] = this.#domains.spots.mark();
      assignment.place(vm, spot);
      const holds = this.#domains.placed(vm, spot);
      if (holds && (failures < FEW_FAILURES || this.#remaining.isEnough())) {
        if (level + 1 === network.size) return { type: 'Found', spotOf: assignment.spotOf };
        this.#open(++level, vm);
        continue;
      }
      this.weights[holds ? vm : this.#domains.spots.blamed]! += 1;
      this.#takeBack(level);
      failures += 1;
      if (failures > limit || (failures > 1 && budget.isOver)) return undefined;
    }
    return { type: 'None' };
  }

  /** Chooses the VM of a level. */
  #open(level: number, before: number): void {
    const vm = this.#nextVms.after(before);
    this.#vmAt[level] = vm;
    this.#tried.fill(0, level * this.network.words, (level + 1) * this.network.words);
  }

  /** Goes back to the level before, and takes its VM up again. */
  #close(level: number): number {
    this.#forgetTried(level);
    if (level > 0) this.#takeBack(level - 1);
    return level - 1;
  }

  #takeBack(level: number): void {
    const vm = this.#vmAt[level]!;
    const kind = this.classes.vms[vm]!;
    if (this.#members[kind]! > 1) {
      const vain = (this.#vain[kind] ??= new Int32Array(this.network.spots));
      vain[this.assignment.spotOf[vm]!]! += 1;
    }
    this.assignment.remove(vm);
    this.#domains.spots.undo(this.#markAt[level]!);
  }

  /** Forgets the spots that a level has tried without success: it will start again. */
  #forgetTried(level: number): void {
    const { words } = this.network;
    const vain = this.#vain[this.classes.vms[this.#vmAt[level]!]!];
    if (!vain) return;
    for (let word = 0; word < words; word++) {
      let tried = this.#tried[level * words + word]!;
      for (; tried !== 0; tried &= tried - 1) vain[word * 32 + 31 - Math.clz32(tried & -tried)]! -= 1;
    }
  }

  /** The best spot that was not tried, nor the mirror image of one; -1: none is left. */
  #nextSpot(level: number, vm: number): number {
    const { network, budget } = this;
    const fresh = new Set<number>();
    this.#addTriedFresh(level, fresh);
    let best = -1;
    let bestCost = Infinity;
    for (let spot = 0; spot < network.spots; spot++) {
      if (!this.#domains.spots.has(vm, spot) || this.#isTried(level, spot)) continue;
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

  /** Tried here, or tried without success for a VM of the same class that was placed before. */
  #isTried(level: number, spot: number): boolean {
    const vain = this.#vain[this.classes.vms[this.#vmAt[level]!]!];
    return (vain !== undefined && vain[spot]! > 0) || inSet(this.#tried, level * this.network.words, spot);
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
