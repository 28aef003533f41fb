/** Required affinity: where a VM may still have its partners. */
import { MATCHES, placeOf, type Network } from '../model';
import { NOWHERE, type Assignment } from './assignment';
import type { SpotSets } from './spot-sets';

/** Narrows the spots of VMs whose affinity asks for a partner (DOMAINS-1). */
export class Partners {
  readonly #network: Network;
  readonly #assignment: Assignment;
  readonly #spots: SpotSets;
  readonly #words: number;
  readonly #once: Uint32Array;
  readonly #twice: Uint32Array;
  readonly #allowed: Uint32Array;

  constructor(network: Network, assignment: Assignment, spots: SpotSets) {
    this.#network = network;
    this.#assignment = assignment;
    this.#spots = spots;
    const { words } = network;
    this.#words = words;
    this.#once = new Uint32Array(words);
    this.#twice = new Uint32Array(words);
    this.#allowed = new Uint32Array(words);
  }

  /**
   * A VM with an affinity only keeps spots where a partner stands or may still come; one that stands keeps at least one candidate. False: there is
   * no solution.
   */
  keep(bond: number): boolean {
    const network = this.#network;
    const assignment = this.#assignment;
    const words = this.#words;
    const once = this.#once.fill(0);
    const twice = this.#twice.fill(0);
    const allowed = this.#allowed;
    for (const vm of network.matched[bond]!) {
      if (assignment.spotOf[vm] !== NOWHERE) continue;
      const reach = this.#spots.reachOf(vm, bond);
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
        const own = this.#spots.reachOf(vm, bond);
        for (let word = 0; word < words; word++) allowed[word] = twice[word]! | (once[word]! & ~own[word]!);
      } else for (let word = 0; word < words; word++) allowed[word] = twice[word]! | once[word]!;
      for (let word = 0; word < words; word++) {
        const at = vm * words + word;
        if (!this.#spots.setWord(vm, at, (this.#spots.bits[at]! & allowed[word]!) >>> 0)) return false;
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
    const network = this.#network;
    const assignment = this.#assignment;
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
    const network = this.#network;
    for (let at = network.from[vm]!; at < network.from[vm + 1]!; at++)
      if (network.bondOf[at] === bond) return (network.parts[at]! & MATCHES) !== 0;
    return false;
  }

  /** Where a partner is lacking, some VM must be able to come; if only one can, it must. */
  #keepCandidate(bond: number, index: number, blamed: number): boolean {
    const network = this.#network;
    const assignment = this.#assignment;
    if (assignment.lack(bond, index) === 0) return true;
    const place = index - network.offset[bond]!;
    let only = -1;
    for (const vm of network.matched[bond]!) {
      if (assignment.spotOf[vm] !== NOWHERE || !this.#spots.canReach(vm, bond, place)) continue;
      if (only !== -1) return true;
      only = vm;
    }
    if (only === -1) return this.#spots.fail(blamed);
    for (let word = 0; word < this.#words; word++) {
      const at = only * this.#words + word;
      const keep = network.overZones[bond]
        ? network.zoneSets[place * this.#words + word]!
        : place >>> 5 === word
          ? 1 << (place & 31)
          : 0;
      if (!this.#spots.setWord(only, at, (this.#spots.bits[at]! & keep) >>> 0)) return false;
    }
    return true;
  }
}
