/** Counting that proves a problem to be without solution where a search would take for ever. */
import type { Domains } from './propagate';
import { inSet, type Network } from './network';

/** Up to so many zones every set of zones is looked at; beyond, each zone and all of them. */
const MAX_ZONES = 6;

/** Up to so many sizes of VMs are looked at. */
const MAX_SIZES = 24;

/**
 * Whether VMs that can only come into certain zones ask for more than these have: in sum, in VMs over a certain size (a host takes only a whole
 * number of them), or in places for VMs that exclude each other.
 */
export function countsProveNone(network: Network, domains: Domains): boolean {
  const zonesOf = reachableZones(network, domains);
  return zoneSets(network.zones).some((zones) => {
    const inside: number[] = [];
    for (let vm = 0; vm < network.size; vm++) if ((zonesOf[vm]! & ~zones) === 0) inside.push(vm);
    return (
      inside.length > 0 && (roomIsMissing(network, zones, inside) || placesAreMissing(network, zones, inside))
    );
  });
}

/** By VM: the zones that it may come into, as bits; only meaningful up to 31 zones. */
function reachableZones(network: Network, domains: Domains): Int32Array {
  const { size, zones, words } = network;
  const found = new Int32Array(size);
  for (let vm = 0; vm < size; vm++) {
    for (let zone = 0; zone < Math.min(zones, 31); zone++) {
      for (let word = 0; word < words; word++) {
        if ((domains.bits[vm * words + word]! & network.zoneSets[zone * words + word]!) === 0) continue;
        found[vm]! |= 1 << zone;
        break;
      }
    }
    // What reaches zones that have no bit is in no small set.
    if (zones > 31) found[vm] = -1;
  }
  return found;
}

function zoneSets(zones: number): number[] {
  if (zones <= MAX_ZONES) return Array.from({ length: 2 ** zones - 1 }, (_, set) => set + 1);
  if (zones > 31) return [-1];
  return [...Array.from({ length: zones }, (_, zone) => 1 << zone), -1];
}

function roomIsMissing(network: Network, zones: number, vms: number[]): boolean {
  const spots: number[] = [];
  for (let spot = 0; spot < network.spots; spot++)
    if (zones === -1 || zones & (1 << network.zoneOf[spot]!)) spots.push(spot);
  return (
    isTooMuch(
      vms.map((vm) => network.cpus[vm]!),
      spots.map((spot) => network.freeCpus[spot]!),
    ) ||
    isTooMuch(
      vms.map((vm) => network.memory[vm]!),
      spots.map((spot) => network.freeMemory[spot]!),
    )
  );
}

function isTooMuch(needs: number[], free: number[]): boolean {
  const rooms = free.map((room) => Math.max(0, room));
  const sum = (values: number[]): number => values.reduce((total, value) => total + value, 0);
  if (sum(needs) > sum(rooms)) return true;
  const sizes = [...new Set(needs)].filter((need) => need > 0).sort((one, other) => other - one);
  return sizes
    .slice(0, MAX_SIZES)
    .some(
      (least) =>
        needs.filter((need) => need >= least).length > sum(rooms.map((room) => Math.floor(room / least))),
    );
}

function placesAreMissing(network: Network, zones: number, vms: number[]): boolean {
  const inside = new Set(vms);
  for (let bond = 0; bond < network.bonds; bond++) {
    if (!network.isRequired[bond] || network.isAffinity[bond]) continue;
    const matched = new Set(network.matched[bond]);
    let exclusive = 0;
    for (const vm of network.holders[bond]!) if (inside.has(vm) && matched.has(vm)) exclusive += 1;
    if (exclusive < 2) continue;
    if (exclusive > placesIn(network, bond, zones)) return true;
  }
  return false;
}

function placesIn(network: Network, bond: number, zones: number): number {
  let count = 0;
  for (let zone = 0; zone < network.zones; zone++) {
    if (zones !== -1 && !(zones & (1 << zone))) continue;
    if (network.overZones[bond]) count += 1;
    else
      for (let spot = 0; spot < network.spots; spot++)
        if (inSet(network.zoneSets, zone * network.words, spot))
          count += network.isHidden[spot] ? Infinity : 1;
  }
  return count;
}
