/** Interchangeable spots and VMs: a search that has tried one of them need not try the others. */
import type { Network } from './network';

/** Class numbers: items of one class are interchangeable. */
export interface Likeness {
  /** By spot; -1: unlike every other. */
  spots: Int32Array;
  /** By VM. */
  vms: Int32Array;
}

/** Finds what is interchangeable for required rules and room, or for the score too. */
export function likenessOf(network: Network, to: 'Required' | 'Score'): Likeness {
  const { words } = network;
  const spots = new Map<string, number>();
  const vms = new Map<string, number>();
  const numberOf = (known: Map<string, number>, text: string): number => {
    const number = known.get(text) ?? known.size;
    known.set(text, number);
    return number;
  };
  const marked = to === 'Score' ? network.hasPlaced : markedSpots(network);
  return {
    spots: Int32Array.from({ length: network.spots }, (_, spot) => {
      if (marked[spot]) return -1;
      const { zoneOf, isHidden, freeCpus, freeMemory } = network;
      return numberOf(spots, [zoneOf[spot], isHidden[spot], freeCpus[spot], freeMemory[spot]].join());
    }),
    vms: Int32Array.from({ length: network.size }, (_, vm) => {
      const parts: string[] = [];
      for (let at = network.from[vm]!; at < network.from[vm + 1]!; at++)
        if (to === 'Score' || network.isRequired[network.bondOf[at]!])
          parts.push(`${network.bondOf[at]}:${network.parts[at]}`);
      const domain = network.domains.subarray(vm * words, (vm + 1) * words).join();
      return numberOf(vms, [network.cpus[vm], network.memory[vm], parts.sort().join(), domain].join('/'));
    }),
  };
}

/** Spots with placed VMs that hold or match a required rule over hosts: these differ from the others. */
function markedSpots(network: Network): Uint8Array {
  const marked = new Uint8Array(network.spots);
  for (let bond = 0; bond < network.bonds; bond++) {
    if (!network.isRequired[bond] || network.overZones[bond]) continue;
    for (let spot = 0; spot < network.spots; spot++) {
      const index = network.offset[bond]! + spot;
      if (network.matchedAt[index]! > 0 || network.heldAt[index]! > 0) marked[spot] = 1;
    }
  }
  return marked;
}
