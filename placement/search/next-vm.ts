/** Which VM a search places next. */
import { placeOf, type Network } from '../model';
import { NOWHERE, type Assignment } from './assignment';
import type { SpotSets } from './spot-sets';

/** Chooses VMs that are not placed yet. */
export class NextVm {
  constructor(
    readonly network: Network,
    readonly assignment: Assignment,
    readonly spots: SpotSets,
    /** By VM: how often the search failed at it. */
    readonly weights: Float64Array,
  ) {}

  /** The partner that the VM placed last waits for; else the VM with fewest spots for the trouble it has made, the biggest of them. */
  after(before: number): number {
    const { network, assignment } = this;
    const { sizes } = this.spots;
    if (before !== -1 && assignment.broken > 0) {
      const partner = this.#partnerOf(before);
      if (partner !== -1) return partner;
    }
    let best = -1;
    let bestSize = Infinity;
    for (let vm = 0; vm < network.size; vm++) {
      if (assignment.spotOf[vm] !== NOWHERE) continue;
      const size = sizes[vm]! <= 1 ? 0 : sizes[vm]! / this.weights[vm]!;
      if (size < bestSize || (size === bestSize && this.#isBigger(vm, best))) {
        best = vm;
        bestSize = size;
      }
    }
    return best;
  }

  #isBigger(vm: number, other: number): boolean {
    const { cpus, memory } = this.network;
    return cpus[vm]! > cpus[other]! || (cpus[vm] === cpus[other] && memory[vm]! > memory[other]!);
  }

  #partnerOf(vm: number): number {
    const { network, assignment } = this;
    const spot = assignment.spotOf[vm]!;
    for (let at = network.from[vm]!; at < network.from[vm + 1]!; at++) {
      const bond = network.bondOf[at]!;
      if (!network.isAffinity[bond] || !network.isRequired[bond]) continue;
      if (assignment.lack(bond, network.offset[bond]! + placeOf(network, bond, spot)) === 0) continue;
      let best = -1;
      for (const other of network.matched[bond]!) {
        if (assignment.spotOf[other] !== NOWHERE || !this.spots.has(other, spot)) continue;
        if (best === -1 || this.spots.sizes[other]! < this.spots.sizes[best]!) best = other;
      }
      if (best !== -1) return best;
    }
    return -1;
  }
}
