/**
 * The spots that each VM may still stand on, narrowed after every step of a search.
 *
 * DOMAINS-1: a spot is only taken away where no solution of what was decided so far puts the VM there. So a VM without spots proves that there
 *     is none.
 */
import { NOWHERE, type Assignment } from './assignment';
import { HOLDS, MATCHES, placeOf, type Network } from '../model';

/** The spots of each VM, with an undo. */
export class Domains {
  /** By VM, `network.words` words each. */
  readonly bits: Uint32Array;
  /** By VM: how many spots. */
  readonly sizes: Int32Array;
  /** The VM that was left without a spot at the last failure, or whose rule was left without a partner. */
  blamed = 0;
  readonly #words: number;
  /** Pairs: where a word was changed, and what it was. */
  readonly #trail: number[] = [];
  readonly #queue: number[] = [];
  readonly #isQueued: Uint8Array;
  readonly #once: Uint32Array;
  readonly #twice: Uint32Array;
  readonly #reach: Uint32Array;
  readonly #allowed: Uint32Array;
  /** By bond of required anti-affinity: VMs that both hold and match it, so each two of them exclude each other. */
  readonly #cliques: number[][];

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
    this.#once = new Uint32Array(words);
    this.#twice = new Uint32Array(words);
    this.#reach = new Uint32Array(words);
    this.#allowed = new Uint32Array(words);
    this.#cliques = network.holders.map((holders, bond) => {
      if (!network.isRequired[bond] || network.isAffinity[bond]) return [];
      const matched = new Set(network.matched[bond]);
      return [...holders].filter((vm) => matched.has(vm));
    });
  }

  /** Takes away what room and placed VMs rule out from the start. False: there is no solution. */
  begin(): boolean {
    const { network, assignment } = this;
    for (let vm = 0; vm < network.size; vm++) {
      for (let spot = 0; spot < network.spots; spot++)
        if (this.has(vm, spot) && !assignment.fits(vm, spot) && !this.#takeSpot(vm, spot)) return false;
      if (this.sizes[vm] === 0) return this.#fail(vm);
    }
    for (let bond = 0; bond < network.bonds; bond++) {
      if (!network.isRequired[bond]) continue;
      if (!network.isAffinity[bond]) {
        const first = network.offset[bond]!;
        const places = network.overZones[bond] ? network.zones : network.spots;
        for (let place = 0; place < places; place++) {
          if (network.heldAt[first + place]! > 0 && !this.#takePlace(network.matched[bond]!, bond, place, -1))
            return false;
          if (
            network.matchedAt[first + place]! > 0 &&
            !this.#takePlace(network.holders[bond]!, bond, place, -1)
          )
            return false;
        }
      }
      this.#enqueue(bond);
    }
    return this.#propagate();
  }

  has(vm: number, spot: number): boolean {
    return (this.bits[vm * this.#words + (spot >>> 5)]! & (1 << (spot & 31))) !== 0;
  }

  /** A moment to come back to. */
  mark(): number {
    return this.#trail.length;
  }

  undo(mark: number): void {
    const trail = this.#trail;
    while (trail.length > mark) {
      const word = trail.pop()!;
      const at = trail.pop()!;
      this.sizes[Math.floor(at / this.#words)]! += bitsOf(word) - bitsOf(this.bits[at]!);
      this.bits[at] = word;
    }
  }

  /** Draws the conclusions from a VM that was just placed in the assignment. False: no solution goes on from here. */
  placed(vm: number, spot: number): boolean {
    const { network, assignment } = this;
    for (let other = 0; other < network.size; other++) {
      if (assignment.spotOf[other] === NOWHERE && this.has(other, spot) && !assignment.fits(other, spot))
        if (!this.#takeSpot(other, spot)) return false;
    }
    for (let at = network.from[vm]!; at < network.from[vm + 1]!; at++) {
      const bond = network.bondOf[at]!;
      if (!network.isRequired[bond]) continue;
      this.#enqueue(bond);
      if (network.isAffinity[bond]) continue;
      const place = placeOf(network, bond, spot);
      if (place === -1) continue;
      const parts = network.parts[at]!;
      if (parts & HOLDS && !this.#takePlace(network.matched[bond]!, bond, place, vm)) return false;
      if (parts & MATCHES && !this.#takePlace(network.holders[bond]!, bond, place, vm)) return false;
    }
    return this.#propagate();
  }

  #fail(vm: number): false {
    this.blamed = vm;
    for (const bond of this.#queue) this.#isQueued[bond] = 0;
    this.#queue.length = 0;
    return false;
  }

  #enqueue(bond: number): void {
    if (this.#isQueued[bond]) return;
    this.#isQueued[bond] = 1;
    this.#queue.push(bond);
  }

  /** Changes one word of a VM's spots. */
  #set(vm: number, at: number, word: number): boolean {
    const before = this.bits[at]!;
    if (before === word) return true;
    this.#trail.push(at, before);
    this.bits[at] = word;
    this.sizes[vm]! += bitsOf(word) - bitsOf(before);
    if (this.sizes[vm] === 0) return this.#fail(vm);
    const { network } = this;
    for (let each = network.from[vm]!; each < network.from[vm + 1]!; each++) {
      const bond = network.bondOf[each]!;
      if (network.isRequired[bond] && network.parts[each]! & MATCHES) this.#enqueue(bond);
    }
    return true;
  }

  #takeSpot(vm: number, spot: number): boolean {
    const at = vm * this.#words + (spot >>> 5);
    return this.#set(vm, at, (this.bits[at]! & ~(1 << (spot & 31))) >>> 0);
  }

  /** Takes a place of a bond away from VMs, all but one. */
  #takePlace(vms: Int32Array, bond: number, place: number, except: number): boolean {
    const { network, assignment } = this;
    for (const vm of vms) {
      if (vm === except || assignment.spotOf[vm] !== NOWHERE) continue;
      if (!network.overZones[bond]) {
        if (!this.#takeSpot(vm, place)) return false;
        continue;
      }
      for (let word = 0; word < this.#words; word++) {
        const at = vm * this.#words + word;
        const zone = network.zoneSets[place * this.#words + word]!;
        if (!this.#set(vm, at, (this.bits[at]! & ~zone) >>> 0)) return false;
      }
    }
    return true;
  }

  #propagate(): boolean {
    for (let bond = this.#queue.pop(); bond !== undefined; bond = this.#queue.pop()) {
      this.#isQueued[bond] = 0;
      const holds = this.network.isAffinity[bond] ? this.#keepPartners(bond) : this.#keepEnough(bond);
      if (!holds) return false;
    }
    return true;
  }

  /** The spots of all places that a VM may still come to, in `#reach`. */
  #spread(vm: number, bond: number): Uint32Array {
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

  /** As many VMs that exclude each other need at least as many places between them. */
  #keepEnough(bond: number): boolean {
    const { network, assignment } = this;
    const places = this.#once.fill(0);
    let waiting = 0;
    for (const vm of this.#cliques[bond]!) if (assignment.spotOf[vm] === NOWHERE) waiting += 1;
    if (waiting < 2) return true;
    let last = 0;
    for (const vm of this.#cliques[bond]!) {
      if (assignment.spotOf[vm] !== NOWHERE) continue;
      last = vm;
      if (!network.overZones[bond] && this.sizes[vm]! >= waiting) return true;
      const reach = this.#spread(vm, bond);
      for (let word = 0; word < this.#words; word++) places[word]! |= reach[word]!;
    }
    return this.#countPlaces(places, bond, waiting) ? true : this.#fail(last);
  }

  /** Whether a set of spots has `enough` places of a bond. */
  #countPlaces(spots: Uint32Array, bond: number, enough: number): boolean {
    const { network } = this;
    let count = 0;
    if (network.overZones[bond]) {
      for (let zone = 0; zone < network.zones; zone++) {
        for (let word = 0; word < this.#words; word++) {
          if ((spots[word]! & network.zoneSets[zone * this.#words + word]!) === 0) continue;
          count += 1;
          break;
        }
      }
      return count >= enough;
    }
    for (let spot = 0; spot < network.spots; spot++) {
      if ((spots[spot >>> 5]! & (1 << (spot & 31))) === 0) continue;
      // Any number of them may stand where nobody sees the host.
      if (network.isHidden[spot]) return true;
      count += 1;
    }
    return count >= enough;
  }

  /** A VM with an affinity only keeps spots where a partner stands or may still come; one that stands keeps at least one candidate. */
  #keepPartners(bond: number): boolean {
    const { network, assignment } = this;
    const words = this.#words;
    const once = this.#once.fill(0);
    const twice = this.#twice.fill(0);
    const allowed = this.#allowed;
    for (const vm of network.matched[bond]!) {
      if (assignment.spotOf[vm] !== NOWHERE) continue;
      const reach = this.#spread(vm, bond);
      for (let word = 0; word < words; word++) {
        twice[word]! |= once[word]! & reach[word]!;
        once[word]! |= reach[word]!;
      }
    }
    // Where a partner stands already, it is as good as two that may come.
    this.#addStanding(bond, twice);
    for (const vm of network.holders[bond]!) {
      if (assignment.spotOf[vm] !== NOWHERE) continue;
      if (this.#matches(vm, bond)) {
        const own = this.#spread(vm, bond);
        for (let word = 0; word < words; word++) allowed[word] = twice[word]! | (once[word]! & ~own[word]!);
      } else for (let word = 0; word < words; word++) allowed[word] = twice[word]! | once[word]!;
      for (let word = 0; word < words; word++) {
        const at = vm * words + word;
        if (!this.#set(vm, at, (this.bits[at]! & allowed[word]!) >>> 0)) return false;
      }
    }
    for (const vm of network.holders[bond]!) {
      const spot = assignment.spotOf[vm]!;
      if (spot === NOWHERE) continue;
      if (!this.#keepCandidate(bond, network.offset[bond]! + placeOf(network, bond, spot), vm)) return false;
    }
    for (const index of network.placedHolders[bond]!)
      if (!this.#keepCandidate(bond, index, network.matched[bond]![0] ?? 0)) return false;
    return true;
  }

  #addStanding(bond: number, set: Uint32Array): void {
    const { network, assignment } = this;
    const first = network.offset[bond]!;
    if (!network.overZones[bond]) {
      for (let spot = 0; spot < network.spots; spot++)
        if (assignment.matchedAt[first + spot]! > 0) set[spot >>> 5]! |= 1 << (spot & 31);
      return;
    }
    for (let zone = 0; zone < network.zones; zone++) {
      if (assignment.matchedAt[first + zone] === 0) continue;
      for (let word = 0; word < this.#words; word++)
        set[word]! |= network.zoneSets[zone * this.#words + word]!;
    }
  }

  #matches(vm: number, bond: number): boolean {
    const { network } = this;
    for (let at = network.from[vm]!; at < network.from[vm + 1]!; at++)
      if (network.bondOf[at] === bond) return (network.parts[at]! & MATCHES) !== 0;
    return false;
  }

  /** Where a partner is lacking, somebody must be able to come; the only one who can, must. */
  #keepCandidate(bond: number, index: number, blamed: number): boolean {
    const { network, assignment } = this;
    if (assignment.lack(bond, index) === 0) return true;
    const place = index - network.offset[bond]!;
    let only = -1;
    for (const vm of network.matched[bond]!) {
      if (assignment.spotOf[vm] !== NOWHERE || !this.canReach(vm, bond, place)) continue;
      if (only !== -1) return true;
      only = vm;
    }
    if (only === -1) return this.#fail(blamed);
    for (let word = 0; word < this.#words; word++) {
      const at = only * this.#words + word;
      const keep = network.overZones[bond]
        ? network.zoneSets[place * this.#words + word]!
        : place >>> 5 === word
          ? 1 << (place & 31)
          : 0;
      if (!this.#set(only, at, (this.bits[at]! & keep) >>> 0)) return false;
    }
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
}

/** How many bits of a word are set. */
function bitsOf(word: number): number {
  word -= (word >>> 1) & 0x55555555;
  word = (word & 0x33333333) + ((word >>> 2) & 0x33333333);
  return Math.imul((word + (word >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
