/** The spots that each VM may still come to, as sets of bits with an undo. */
import { MATCHES, type Network } from '../model';
import { NOWHERE, type Assignment } from './assignment';

/** The sets, and the bonds whose VMs have lost spots since they were last checked. */
export class SpotSets {
  /** By VM, `network.words` words each. */
  readonly bits: Uint32Array;
  /** By VM: how many spots. */
  readonly sizes: Int32Array;
  /** The VM that had no spot left at the last failure, or whose rule had no partner left. */
  blamed = 0;
  readonly #words: number;
  /** Pairs: the index of a word that was changed, and its value before. */
  readonly #trail: number[] = [];
  readonly #queue: number[] = [];
  readonly #isQueued: Uint8Array;
  readonly #reach: Uint32Array;

  constructor(
    readonly network: Network,
    readonly assignment: Assignment,
  ) {
    const { words, size, bonds } = network;
    this.#words = words;
    this.bits = network.domains.slice();
    this.sizes = new Int32Array(size);
    for (let at = 0; at < this.bits.length; at++)
      this.sizes[Math.floor(at / words)]! += bitsOf(this.bits[at]!);
    this.#isQueued = new Uint8Array(bonds);
    this.#reach = new Uint32Array(words);
  }

  /** Whether a VM may still come to a spot. */
  has(vm: number, spot: number): boolean {
    return (this.bits[vm * this.#words + (spot >>> 5)]! & (1 << (spot & 31))) !== 0;
  }

  /** Whether two VMs may still come to the same spots. */
  isSame(one: number, other: number): boolean {
    for (let word = 0; word < this.#words; word++)
      if (this.bits[one * this.#words + word] !== this.bits[other * this.#words + word]) return false;
    return true;
  }

  /** Whether a VM may still come to a place of a bond. */
  canReach(vm: number, bond: number, place: number): boolean {
    if (!this.network.overZones[bond]) return this.has(vm, place);
    for (let word = 0; word < this.#words; word++)
      if (this.bits[vm * this.#words + word]! & this.network.zoneSets[place * this.#words + word]!)
        return true;
    return false;
  }

  /** The present, for {@link undo}. */
  mark(): number {
    return this.#trail.length;
  }

  /** Goes back to a {@link mark}. */
  undo(mark: number): void {
    const trail = this.#trail;
    while (trail.length > mark) {
      const word = trail.pop()!;
      const at = trail.pop()!;
      this.sizes[Math.floor(at / this.#words)]! += bitsOf(word) - bitsOf(this.bits[at]!);
      this.bits[at] = word;
    }
  }

  /** Has a bond checked. */
  enqueue(bond: number): void {
    if (this.#isQueued[bond]) return;
    this.#isQueued[bond] = 1;
    this.#queue.push(bond);
  }

  /** The next bond to check; undefined: none. */
  nextBond(): number | undefined {
    const bond = this.#queue.pop();
    if (bond !== undefined) this.#isQueued[bond] = 0;
    return bond;
  }

  /** Notes the VM that is to blame, and empties the queue. Returns false, for the caller to return. */
  fail(vm: number): false {
    this.blamed = vm;
    for (const bond of this.#queue) this.#isQueued[bond] = 0;
    this.#queue.length = 0;
    return false;
  }

  /** Changes one word of a VM's spots. False: it has none left. */
  setWord(vm: number, at: number, word: number): boolean {
    const before = this.bits[at]!;
    if (before === word) return true;
    this.#trail.push(at, before);
    this.bits[at] = word;
    this.sizes[vm]! += bitsOf(word) - bitsOf(before);
    if (this.sizes[vm] === 0) return this.fail(vm);
    const { network } = this;
    for (let each = network.from[vm]!; each < network.from[vm + 1]!; each++) {
      const bond = network.bondOf[each]!;
      if (network.isRequired[bond] && network.parts[each]! & MATCHES) this.enqueue(bond);
    }
    return true;
  }

  /** Takes a spot away from a VM. False: it has none left. */
  takeSpot(vm: number, spot: number): boolean {
    const at = vm * this.#words + (spot >>> 5);
    return this.setWord(vm, at, (this.bits[at]! & ~(1 << (spot & 31))) >>> 0);
  }

  /** Takes a place of a bond away from all VMs but `except`. False: one of them has no spot left. */
  takePlace(vms: Int32Array, bond: number, place: number, except: number): boolean {
    const { network, assignment } = this;
    for (const vm of vms) {
      if (vm === except || assignment.spotOf[vm] !== NOWHERE) continue;
      if (!network.overZones[bond]) {
        if (!this.takeSpot(vm, place)) return false;
        continue;
      }
      for (let word = 0; word < this.#words; word++) {
        const at = vm * this.#words + word;
        const zone = network.zoneSets[place * this.#words + word]!;
        if (!this.setWord(vm, at, (this.bits[at]! & ~zone) >>> 0)) return false;
      }
    }
    return true;
  }

  /** The spots of all places that a VM may still come to. The array is valid until the next call. */
  reachOf(vm: number, bond: number): Uint32Array {
    const { network } = this;
    const reach = this.#reach;
    const first = vm * this.#words;
    if (!network.overZones[bond]) {
      for (let word = 0; word < this.#words; word++) reach[word] = this.bits[first + word]!;
      return reach;
    }
    reach.fill(0);
    for (let zone = 0; zone < network.zones; zone++) {
      const start = zone * this.#words;
      let meets = 0;
      for (let word = 0; word < this.#words; word++)
        meets |= this.bits[first + word]! & network.zoneSets[start + word]!;
      if (meets === 0) continue;
      for (let word = 0; word < this.#words; word++) reach[word]! |= network.zoneSets[start + word]!;
    }
    return reach;
  }
}

/** How many bits of a word are set. */
function bitsOf(word: number): number {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
