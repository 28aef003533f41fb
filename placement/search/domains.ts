/**
 * Narrows the spots that each VM may still come to, after every step of a search.
 *
 * DOMAINS-1: a spot is taken away only if no solution that keeps the decisions so far puts the VM there. So a VM without spots proves that
 *     there is no solution.
 */
import { HOLDS, MATCHES, placeOf, type Network } from '../model';
import { NOWHERE, type Assignment } from './assignment';
import { SpotSets } from './spot-sets';

/** What the required rules and the room leave of each VM's spots. */
export class Domains {
  readonly spots: SpotSets;
  readonly #words: number;
  readonly #once: Uint32Array;
  readonly #twice: Uint32Array;
  readonly #allowed: Uint32Array;
  /** By bond of required anti-affinity: VMs that both hold and match it, so each two of them exclude each other. */
  readonly #cliques: number[][];

  constructor(
    readonly network: Network,
    readonly assignment: Assignment,
  ) {
    const { words } = network;
    this.#words = words;
    this.spots = new SpotSets(network, assignment);
    this.#once = new Uint32Array(words);
    this.#twice = new Uint32Array(words);
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
        if (this.spots.has(vm, spot) && !assignment.fits(vm, spot) && !this.spots.takeSpot(vm, spot))
          return false;
      if (this.spots.sizes[vm] === 0) return this.spots.fail(vm);
    }
    for (let bond = 0; bond < network.bonds; bond++) {
      if (!network.isRequired[bond]) continue;
      if (!network.isAffinity[bond]) {
        const first = network.offset[bond]!;
        const places = network.overZones[bond] ? network.zones : network.spots;
        for (let place = 0; place < places; place++) {
          if (
            network.heldAt[first + place]! > 0 &&
            !this.spots.takePlace(network.matched[bond]!, bond, place, -1)
          )
            return false;
          if (
            network.matchedAt[first + place]! > 0 &&
            !this.spots.takePlace(network.holders[bond]!, bond, place, -1)
          )
            return false;
        }
      }
      this.spots.enqueue(bond);
    }
    return this.#propagate();
  }

  /** Draws the conclusions from a VM that was just placed in the assignment. False: no solution goes on from here. */
  placed(vm: number, spot: number): boolean {
    const { network, assignment } = this;
    for (let other = 0; other < network.size; other++) {
      if (
        assignment.spotOf[other] === NOWHERE &&
        this.spots.has(other, spot) &&
        !assignment.fits(other, spot)
      )
        if (!this.spots.takeSpot(other, spot)) return false;
    }
    for (let at = network.from[vm]!; at < network.from[vm + 1]!; at++) {
      const bond = network.bondOf[at]!;
      if (!network.isRequired[bond]) continue;
      this.spots.enqueue(bond);
      if (network.isAffinity[bond]) continue;
      const place = placeOf(network, bond, spot);
      if (place === -1) continue;
      const parts = network.parts[at]!;
      if (parts & HOLDS && !this.spots.takePlace(network.matched[bond]!, bond, place, vm)) return false;
      if (parts & MATCHES && !this.spots.takePlace(network.holders[bond]!, bond, place, vm)) return false;
    }
    return this.#propagate();
  }

  /** Draws the conclusions from the decision that no more VMs come to a spot. False: no solution goes on from here. */
  closed(spot: number): boolean {
    const { network, assignment } = this;
    for (let vm = 0; vm < network.size; vm++) {
      if (assignment.spotOf[vm] !== NOWHERE || !this.spots.has(vm, spot)) continue;
      if (!this.spots.takeSpot(vm, spot)) return false;
    }
    return this.#propagate();
  }

  #propagate(): boolean {
    for (let bond = this.spots.nextBond(); bond !== undefined; bond = this.spots.nextBond()) {
      const holds = this.network.isAffinity[bond] ? this.#keepPartners(bond) : this.#keepEnough(bond);
      if (!holds) return false;
    }
    return true;
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
      if (!network.overZones[bond] && this.spots.sizes[vm]! >= waiting) return true;
      const reach = this.spots.reachOf(vm, bond);
      for (let word = 0; word < this.#words; word++) places[word]! |= reach[word]!;
    }
    return this.#countPlaces(places, bond, waiting) ? true : this.spots.fail(last);
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
      const reach = this.spots.reachOf(vm, bond);
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
        const own = this.spots.reachOf(vm, bond);
        for (let word = 0; word < words; word++) allowed[word] = twice[word]! | (once[word]! & ~own[word]!);
      } else for (let word = 0; word < words; word++) allowed[word] = twice[word]! | once[word]!;
      for (let word = 0; word < words; word++) {
        const at = vm * words + word;
        if (!this.spots.setWord(vm, at, (this.spots.bits[at]! & allowed[word]!) >>> 0)) return false;
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
      if (assignment.spotOf[vm] !== NOWHERE || !this.spots.canReach(vm, bond, place)) continue;
      if (only !== -1) return true;
      only = vm;
    }
    if (only === -1) return this.spots.fail(blamed);
    for (let word = 0; word < this.#words; word++) {
      const at = only * this.#words + word;
      const keep = network.overZones[bond]
        ? network.zoneSets[place * this.#words + word]!
        : place >>> 5 === word
          ? 1 << (place & 31)
          : 0;
      if (!this.spots.setWord(only, at, (this.spots.bits[at]! & keep) >>> 0)) return false;
    }
    return true;
  }
}
