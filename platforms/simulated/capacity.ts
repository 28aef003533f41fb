/**
 * Which host takes which VM: the simplest choice that is right.
 *
 * C1: what stands on a host never exceeds its `cpus` and `memory`; the reservation lasts as long as the VM exists, on or off.
 */
import type { Placement, SimulatedDatastore, SimulatedHost } from '../../api';

/** What is left of a host. */
export interface Room {
  host: SimulatedHost;
  cpus: number;
  memory: number;
  vms: number;
}

/** What one VM asks for. */
export interface Need {
  vm: string;
  cpus: number;
  memory: number;
  zone?: string;
  /** The host it is to be on. */
  node?: string;
}

/** Either a place for every VM, by its `vm`, or why there is none. */
export type Fit = { placements: Map<string, Placement> } | { conflict: string };

/**
 * Places all of `needs` or none. The biggest VM goes first, each to the host with most room, which spreads load; where that leaves
 * somebody without a place, once more to the host with least room that suffices, which packs tighter.
 */
export function fit(
  needs: readonly Need[],
  rooms: readonly Room[],
  datastores: readonly SimulatedDatastore[],
): Fit {
  const spread = tryFit(needs, rooms, datastores, moreRoom);
  if ('placements' in spread) return spread;
  const packed = tryFit(needs, rooms, datastores, (a, b) => moreRoom(b, a));
  return 'placements' in packed ? packed : spread;
}

function tryFit(
  needs: readonly Need[],
  rooms: readonly Room[],
  datastores: readonly SimulatedDatastore[],
  better: (a: Room, b: Room) => boolean,
): Fit {
  const left = rooms.filter((room) => hasStorage(room, datastores)).map((room) => ({ ...room }));
  const placements = new Map<string, Placement>();
  const biggestFirst = [...needs].sort(
    (a, b) => b.cpus - a.cpus || b.memory - a.memory || (a.vm < b.vm ? -1 : 1),
  );
  for (const need of biggestFirst) {
    let best: Room | undefined;
    for (const room of left) {
      if (takes(room, need) && (best === undefined || better(room, best))) best = room;
    }
    if (!best) return { conflict: conflict(need, left) };
    best.cpus -= need.cpus;
    best.memory -= need.memory;
    best.vms += 1;
    placements.set(need.vm, placementOn(best, datastores));
  }
  return { placements };
}

function takes(room: Room, need: Need): boolean {
  return room.cpus >= need.cpus && room.memory >= need.memory && isEligible(room, need);
}

function isEligible({ host }: Room, { zone, node }: Need): boolean {
  return (zone === undefined || zone === host.zone) && (node === undefined || node === host.name);
}

function moreRoom(a: Room, b: Room): boolean {
  return (
    a.cpus > b.cpus ||
    (a.cpus === b.cpus && (a.memory > b.memory || (a.memory === b.memory && a.vms < b.vms)))
  );
}

function hasStorage(room: Room, datastores: readonly SimulatedDatastore[]): boolean {
  return datastores.length === 0 || datastores.some(({ zones }) => zones.includes(room.host.zone));
}

function placementOn({ host, vms }: Room, datastores: readonly SimulatedDatastore[]): Placement {
  const near = datastores.filter(({ zones }) => zones.includes(host.zone));
  const datastore = near[vms % Math.max(near.length, 1)];
  return {
    zoneID: host.zone,
    node: host.name,
    pool: host.pool,
    ...(datastore && { datastores: [{ name: datastore.name, id: datastore.id }] }),
  };
}

function conflict(need: Need, left: readonly Room[]): string {
  const eligible = left.filter((room) => isEligible(room, need));
  const node = need.node === undefined ? '' : ` of the name ${need.node}, on which it is to be`;
  const where = need.zone === undefined ? node : `${node} in zone ${need.zone}, to which it is pinned`;
  const asks = `VM ${need.vm} asks for ${need.cpus} cpus and ${gibibytes(need.memory)}`;
  const [first, ...rest] = eligible;
  if (!first) return `${asks}, and there is no host${where}`;
  const most = rest.reduce((a, b) => (moreRoom(b, a) ? b : a), first);
  const missing = [
    ...(need.cpus > most.cpus ? [`${need.cpus - most.cpus} cpus`] : []),
    ...(need.memory > most.memory ? [gibibytes(need.memory - most.memory)] : []),
  ];
  // Another host may have the memory and lack the cpus: then no single number is missing.
  const gap = missing.length > 0 ? `, ${missing.join(' and ')} too little` : '';
  return (
    `${asks}, and none of ${eligible.length} hosts${where} has that room; the emptiest, ${most.host.name}, ` +
    `has ${most.cpus} cpus and ${gibibytes(most.memory)} left${gap}`
  );
}

function gibibytes(bytes: number): string {
  return `${Math.round((bytes / 1024 ** 3) * 100) / 100} GiB`;
}
