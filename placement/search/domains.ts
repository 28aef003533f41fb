/**
 * Narrows the spots that each VM may still come to, after every step of a search.
 *
 * DOMAINS-1: a spot is taken away only if no solution that keeps the decisions so far puts the VM there. So a VM without spots proves that
 *     there is no solution.
 */
import { HOLDS, MATCHES, placeOf, type Network } from '../model';
import { NOWHERE, type Assignment } from './assignment';
import { Exclusions } from './exclusions';
import { Partners } from './partners';
import { SpotSets } from './spot-sets';

/** What the required rules and the room leave of each VM's spots. */
export class Domains {
  readonly spots: SpotSets;
  readonly #partners: Partners;
  readonly #exclusions: Exclusions;

  constructor(
    readonly network: Network,
    readonly assignment: Assignment,
  ) {
    this.spots = new SpotSets(network, assignment);
    this.#partners = new Partners(network, assignment, this.spots);
    this.#exclusions = new Exclusions(network, assignment, this.spots);
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

  /** Draws the conclusions from a VM that was just placed in the assignment. False: no solution extends it. */
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

  /** Draws the conclusions from the decision that no more VMs go to a spot. False: no solution extends the assignment. */
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
      const holds = this.network.isAffinity[bond] ? this.#partners.keep(bond) : this.#exclusions.keep(bond);
      if (!holds) return false;
    }
    return true;
  }
}
