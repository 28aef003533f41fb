/**
 * Which zone takes which VM: the simplest choice that is right. Pure.
 *
 * Z1: all of the VMs or none.
 * Z2: what is there, or will be, never asks for more memory than the namespace may use in a zone.
 * Z3: the same VMs and zones give the same places.
 *
 * Zones and their fields: topology.tanzu.vmware.com/v1alpha1; see the reference. Hosts are chosen by vSphere.
 */
import { parseQuantity, type Placement } from '../../api';
import type { KubernetesObject } from '../../kubernetes';

/** A zone that a namespace may use. */
export interface ZoneRoom {
  name: string;
  pool?: string;
  /** Bytes that are left; Infinity where the namespace has no limit. */
  memory: number;
  /** VMs that are there or will be. */
  vms: number;
}

/** What one VM asks for. */
export interface ZoneNeed {
  /** `namespace/name`. */
  vm: string;
  /** Bytes. */
  memory: number;
  /** Zone that it is pinned to. */
  zone?: string;
}

/** Either a place for every VM, by its `vm`, or why there is none. */
export type ZoneFit = { placements: Map<string, Placement> } | { conflict: string };

/** A zone as the room that a namespace has in it, with nothing in it yet; undefined where nothing may be placed there any more. */
export function roomOfZone(zone: KubernetesObject): ZoneRoom | undefined {
  const { metadata } = zone;
  const { managedVMs, memory } = (zone.spec ?? {}) as ZoneSpec;
  const { markedForRemoval } = (zone.status ?? {}) as { markedForRemoval?: boolean };
  if (markedForRemoval === true || metadata.deletionTimestamp !== undefined) return undefined;
  return room(metadata.name, managedVMs?.poolMoIDs?.[0], memory?.limit);
}

/** The same of an `AvailabilityZone`, which is there for many namespaces. */
export function roomOfAvailabilityZone(zone: KubernetesObject, namespace: string): ZoneRoom | undefined {
  const { namespaces } = (zone.spec ?? {}) as AvailabilityZoneSpec;
  const here = namespaces?.[namespace];
  if (!here || zone.metadata.deletionTimestamp !== undefined) return undefined;
  return room(zone.metadata.name, here.poolMoIDs?.[0] ?? here.poolMoId, undefined);
}

interface ZoneSpec {
  managedVMs?: { poolMoIDs?: string[] };
  memory?: { limit?: string | number };
}

interface AvailabilityZoneSpec {
  namespaces?: Record<string, { poolMoIDs?: string[]; poolMoId?: string }>;
}

function room(name: string, pool: string | undefined, limit: string | number | undefined): ZoneRoom {
  return { name, ...(pool !== undefined && { pool }), memory: bytes(limit), vms: 0 };
}

/** What cannot be read, or is nothing, is no limit. */
function bytes(limit: string | number | undefined): number {
  try {
    return limit === undefined ? Infinity : parseQuantity(limit) || Infinity;
  } catch {
    return Infinity;
  }
}

/**
 * Places all of `needs` or none. The biggest VM goes first, each to the zone with the fewest of them, which spreads them; where that
 * leaves somebody without a place, once more to the zone with the least room that suffices, which packs tighter.
 */
export function fitZones(needs: readonly ZoneNeed[], rooms: readonly ZoneRoom[]): ZoneFit {
  const spread = tryFit(needs, rooms, (a, b) => a.own - b.own || a.vms - b.vms);
  if ('placements' in spread) return spread;
  const packed = tryFit(needs, rooms, (a, b) => a.memory - b.memory);
  return 'placements' in packed ? packed : spread;
}

/** A zone while VMs are placed. */
interface Filling extends ZoneRoom {
  /** How many of the VMs that are placed together go there. */
  own: number;
}

function tryFit(
  needs: readonly ZoneNeed[],
  rooms: readonly ZoneRoom[],
  order: (a: Filling, b: Filling) => number,
): ZoneFit {
  const left = rooms.map((each): Filling => ({ ...each, own: 0 })).sort((a, b) => (a.name < b.name ? -1 : 1));
  const placements = new Map<string, Placement>();
  const biggestFirst = [...needs].sort((a, b) => b.memory - a.memory || (a.vm < b.vm ? -1 : 1));
  for (const need of biggestFirst) {
    const [best] = left.filter((each) => takes(each, need)).sort(order);
    if (!best) return { conflict: conflict(need, left) };
    best.memory -= need.memory;
    best.vms += 1;
    best.own += 1;
    placements.set(need.vm, { zoneID: best.name, ...(best.pool !== undefined && { pool: best.pool }) });
  }
  return { placements };
}

function takes(zone: Filling, need: ZoneNeed): boolean {
  return zone.memory >= need.memory && (need.zone === undefined || need.zone === zone.name);
}

function conflict(need: ZoneNeed, left: readonly Filling[]): string {
  const eligible = left.filter(({ name }) => need.zone === undefined || name === need.zone);
  if (eligible.length === 0 && need.zone !== undefined) {
    const names = left.map(({ name }) => name).join(', ');
    return `VM ${need.vm} is pinned to zone ${need.zone}, and its namespace may use ${names === '' ? 'no zone' : names}`;
  }
  const rooms = eligible.map(({ name, memory, vms }) => `${name} ${gibibytes(memory)} beside ${vms} VMs`);
  return `VM ${need.vm} asks for ${gibibytes(need.memory)} of memory, and no zone has that room; left are ${rooms.join(', ')}`;
}

function gibibytes(bytes: number): string {
  return `${Math.round((bytes / 1024 ** 3) * 100) / 100} GiB`;
}
