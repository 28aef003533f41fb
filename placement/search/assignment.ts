/**
 * VMs on spots, all of them or some, with what that breaks: counted as VMs come and go, so that a search sees the effect of a move at once.
 */
import { type Balance, HOLDS, MATCHES, type Network, placeOf } from '../model';

/** What missing room, and what a broken required rule, weighs against one preferred rule. */
const ROOM = 10;
export const REQUIRED = 40;

/** Smallest difference of costs that counts: below it is rounding. */
export const DUST = 1e-9;

/** A VM on no spot. */
export const NOWHERE = -1;

/** A place for some or all VMs of a network. */
export class Assignment {
  /** By VM. */
  readonly spotOf: Int32Array;
  /** By spot: what is left of it; below 0 where it is overcommitted. */
  readonly freeCpus: Float64Array;
  readonly freeMemory: Float64Array;
  /** By spot: how many VMs stand there. */
  readonly vms: Int32Array;
  /** Entities that match, hold, do both, by bond and place: see {@link Network}. */
  readonly matchedAt: Int32Array;
  readonly heldAt: Int32Array;
  readonly bothAt: Int32Array;
  /** How often required rules are broken. */
  broken = 0;
  /** Missing room: CPUs and memory in shares of a mean VM's. */
  overflow = 0;
  /** Weight that preferred rules lose. */
  lost = 0;
  /** Below 1: a walk may break something required for a while. */
  strictness = 1;
  readonly #meanCpus: number;
  readonly #meanMemory: number;

  constructor(
    readonly network: Network,
    /** Absent where balance is of no interest. */
    readonly balance?: Balance,
  ) {
    this.spotOf = new Int32Array(network.size).fill(NOWHERE);
    this.freeCpus = network.freeCpus.slice();
    this.freeMemory = network.freeMemory.slice();
    this.vms = new Int32Array(network.spots);
    this.matchedAt = network.matchedAt.slice();
    this.heldAt = network.heldAt.slice();
    this.bothAt = network.bothAt.slice();
    this.#meanCpus = mean(network.cpus);
    this.#meanMemory = mean(network.memory);
    for (let bond = 0; bond < network.bonds; bond++) {
      for (const index of network.placedHolders[bond]!) {
        if (!network.isRequired[bond]) this.lost += this.lack(bond, index);
        // Placed VMs that exclude each other stay as they are; those that wait for a partner can get one.
        else if (network.isAffinity[bond]) this.broken += this.lack(bond, index);
      }
    }
  }

  /** Whether the spot has the room that the VM needs. What it does not need cannot be missing. */
  fits(vm: number, spot: number): boolean {
    const cpus = this.network.cpus[vm]!;
    const memory = this.network.memory[vm]!;
    return (cpus === 0 || cpus <= this.freeCpus[spot]!) && (memory === 0 || memory <= this.freeMemory[spot]!);
  }

  place(vm: number, spot: number): void {
    this.spotOf[vm] = spot;
    this.vms[spot]! += 1;
    this.#take(vm, spot, 1);
    this.#count(vm, spot, 1);
    this.balance?.add(vm, spot);
  }

  remove(vm: number): void {
    const spot = this.spotOf[vm]!;
    this.spotOf[vm] = NOWHERE;
    this.vms[spot]! -= 1;
    this.#take(vm, spot, -1);
    this.#count(vm, spot, -1);
    this.balance?.remove(vm, spot);
  }

  move(vm: number, spot: number): void {
    this.remove(vm);
    this.place(vm, spot);
  }

  /** Puts every VM where another assignment has it, both complete. */
  take(spotOf: Int32Array): void {
    for (const [vm, spot] of spotOf.entries()) if (this.spotOf[vm] !== spot) this.move(vm, spot);
  }

  /** One number for all of it: the lower the better. */
  get cost(): number {
    return (
      this.strictness * (REQUIRED * this.broken + ROOM * this.overflow) +
      this.lost +
      (this.balance?.cost ?? 0)
    );
  }

  /** What rules and balance would lose if the VM, which stands nowhere, came onto the spot; anti-affinity that is required aside. */
  costOf(vm: number, spot: number): number {
    const { network } = this;
    let cost = this.balance?.added(vm, spot) ?? 0;
    for (let at = network.from[vm]!; at < network.from[vm + 1]!; at++) {
      const bond = network.bondOf[at]!;
      const weight = network.isRequired[bond] ? (network.isAffinity[bond] ? REQUIRED : 0) : 1;
      if (weight === 0) continue;
      const place = placeOf(network, bond, spot);
      if (place === -1) continue;
      const index = network.offset[bond]! + place;
      const before = this.lack(bond, index);
      this.#shift(at, index, 1);
      cost += (this.lack(bond, index) - before) * weight;
      this.#shift(at, index, -1);
    }
    return cost;
  }

  #take(vm: number, spot: number, sign: 1 | -1): void {
    this.overflow -= this.#missing(spot);
    this.freeCpus[spot]! -= sign * this.network.cpus[vm]!;
    this.freeMemory[spot]! -= sign * this.network.memory[vm]!;
    this.overflow += this.#missing(spot);
    if (this.overflow < 1e-9) this.overflow = 0;
  }

  #missing(spot: number): number {
    // A spot that placed VMs overcommit already is only blamed for what comes on top of that.
    const cpus = Math.min(0, this.network.freeCpus[spot]!) - this.freeCpus[spot]!;
    const memory = Math.min(0, this.network.freeMemory[spot]!) - this.freeMemory[spot]!;
    return Math.max(0, cpus) / this.#meanCpus + Math.max(0, memory) / this.#meanMemory;
  }

  #count(vm: number, spot: number, sign: 1 | -1): void {
    const { network } = this;
    for (let at = network.from[vm]!; at < network.from[vm + 1]!; at++) {
      const bond = network.bondOf[at]!;
      const place = placeOf(network, bond, spot);
      if (place === -1) continue;
      const index = network.offset[bond]! + place;
      const before = this.lack(bond, index);
      this.#shift(at, index, sign);
      const change = this.lack(bond, index) - before;
      if (network.isRequired[bond]) this.broken += change;
      else this.lost += change;
    }
  }

  #shift(at: number, index: number, sign: 1 | -1): void {
    const parts = this.network.parts[at]!;
    if (parts & MATCHES) this.matchedAt[index]! += sign;
    if (parts & HOLDS) this.heldAt[index]! += sign;
    if (parts === (HOLDS | MATCHES)) this.bothAt[index]! += sign;
  }

  /** How much the terms of a bond lack at one place: terms or pairs of VMs where it is required, weight where it is preferred. */
  lack(bond: number, index: number): number {
    const held = this.heldAt[index]!;
    if (held === 0) return 0;
    const matched = this.matchedAt[index]!;
    const both = this.bothAt[index]!;
    const { isAffinity, isRequired, matchedTotal } = this.network;
    // One that matches its own term needs another one.
    if (isAffinity[bond]) return matched === 0 ? held : matched === 1 ? both : 0;
    if (isRequired[bond]) return held * matched - both;
    const total = matchedTotal[bond]!;
    return (
      (held > both ? ((held - both) * matched) / total : 0) +
      (both > 0 && total > 1 ? (both * (matched - 1)) / (total - 1) : 0)
    );
  }
}

function mean(values: Float64Array): number {
  return Math.max(1, values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length));
}
