/** Required anti-affinity: whether VMs that exclude each other still have enough places. */
import type { Network } from '../model';
import { NOWHERE, type Assignment } from './assignment';
import type { SpotSets } from './spot-sets';

/** Proves that VMs which exclude each other have too few places between them (DOMAINS-1). */
export class Exclusions {
  readonly #network: Network;
  readonly #assignment: Assignment;
  readonly #spots: SpotSets;
  readonly #words: number;
  readonly #places: Uint32Array;
  /** By bond of required anti-affinity: VMs that both hold and match it, so each two of them exclude each other. */
  readonly #cliques: number[][];

  constructor(network: Network, assignment: Assignment, spots: SpotSets) {
    this.#network = network;
    this.#assignment = assignment;
    this.#spots = spots;
    this.#words = network.words;
    this.#places = new Uint32Array(network.words);
    this.#cliques = network.holders.map((holders, bond) => {
      if (!network.isRequired[bond] || network.isAffinity[bond]) return [];
      const matched = new Set(network.matched[bond]);
      return [...holders].filter((vm) => matched.has(vm));
    });
  }

  /** As many VMs that exclude each other need at least as many places between them. False: there is no solution. */
  keep(bond: number): boolean {
    const network = this.#network;
    const assignment = this.#assignment;
    const places = this.#places.fill(0);
    let waiting = 0;
    for (const vm of this.#cliques[bond]!) if (assignment.spotOf[vm] === NOWHERE) waiting += 1;
    if (waiting < 2) return true;
    let last = 0;
    for (const vm of this.#cliques[bond]!) {
      if (assignment.spotOf[vm] !== NOWHERE) continue;
      last = vm;
      if (!network.overZones[bond] && this.#spots.sizes[vm]! >= waiting) return true;
      const reach = this.#spots.reachOf(vm, bond);
      for (let word = 0; word < this.#words; word++) places[word]! |= reach[word]!;
    }
    return this.#countPlaces(places, bond, waiting) ? true : this.#spots.fail(last);
  }

  /** Whether a set of spots has `enough` places of a bond. */
  #countPlaces(spots: Uint32Array, bond: number, enough: number): boolean {
    const network = this.#network;
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
      // Where the host is hidden, any number of them fits.
      if (network.isHidden[spot]) return true;
      count += 1;
    }
    return count >= enough;
  }
}
