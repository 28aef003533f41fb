/**
 * What hosts have room for: read from the server at each call for places.
 *
 * A host has the memory that nothing uses now, less what the VMs take that were promised a place there or have just booted, and CPUs for several
 * vCPUs each. ESXi itself decides at power-on: what is free may be used by then.
 */
import type { PlacementHost } from '../../../placement';
import type { Asked, Candidate, Standing, World } from '../../tracked';
import { readProperties } from '../stream';
import { idsOf, MEBIBYTE, type Properties, type VmFacts } from '../facts';
import type { Inventory, InventoryHost } from '../inventory';
import type { SoapClient } from '../soap';
import type { Homes } from './homes';

/** vCPUs that share a CPU of a host at most. */
const VCPUS_OF_A_CPU = 16;
/** Milliseconds after its start in which the memory of a VM does not show in that of its host. */
const BOOTING = 120_000;

const PATHS = [
  ...['datastore', 'network', 'summary.hardware.memorySize', 'summary.hardware.numCpuThreads'],
  'summary.quickStats.overallMemoryUsage',
];

/** What room is known by. */
export interface RoomOptions {
  client: SoapClient;
  inventory: Inventory;
  homes: Homes;
}

/** What VMs ask for, and the hosts of their clusters. @throws VimFault, TransportError */
export async function readRoom(
  { client, inventory, homes }: RoomOptions,
  asked: readonly Asked<VmFacts>[],
  signal: AbortSignal | undefined,
): Promise<{ candidates: Candidate[]; world: Pick<World, 'hosts' | 'standing'> }> {
  const clusters = new Set(asked.map(({ vm }) => inventory.cluster(vm.id)));
  const hosts = [...clusters].flatMap((each) => inventory.hostsOf(each)).filter(({ usable }) => usable);
  const objects = hosts.map(({ id }) => ({ type: 'HostSystem', id }));
  const read = await readProperties(client, objects, PATHS, signal);
  const standing = await readStanding({ client, inventory, homes }, signal);
  const there = hosts.filter(({ id }) => read.has(id));
  return {
    candidates: asked.map((each) => candidateOf(each, there, read, inventory)),
    world: {
      hosts: there.map((host) => sizeOf(host, read.get(host.id))),
      standing,
    },
  };
}

/** VMs that run, and those that were promised a place. @throws VimFault, TransportError */
export async function readStanding(
  { client, inventory, homes }: RoomOptions,
  signal: AbortSignal | undefined,
): Promise<Standing[]> {
  const server = { type: 'ServiceInstance', id: 'ServiceInstance' };
  const [now] = await client.call(server, 'CurrentTime', [], { signal });
  return [...standingIn(inventory, homes, Date.parse(now?.text ?? ''))];
}

/** Ids of the VMs that others may be placing now in the clusters of some VMs. */
export function movableBeside(own: ReadonlySet<string>, inventory: Inventory, homes: Homes): string[] {
  const clusters = new Set([...own].map((vm) => inventory.cluster(vm)));
  return [...inventory.vms()].flatMap(({ id, power }) => {
    const isMovable = power === 'PoweredOff' && homes.placerOf(id) === 'Solver';
    return isMovable && !own.has(id) && clusters.has(inventory.cluster(id)) ? [id] : [];
  });
}

function sizeOf({ name, cluster }: InventoryHost, properties: Properties | undefined): PlacementHost {
  const number = (path: string): number => Number(properties?.get(path)?.text ?? 0);
  const used = number('summary.quickStats.overallMemoryUsage') * MEBIBYTE;
  return {
    name,
    zone: cluster,
    cpus: number('summary.hardware.numCpuThreads') * VCPUS_OF_A_CPU,
    memory: Math.max(0, number('summary.hardware.memorySize') - used),
  };
}

function candidateOf(
  { request, vm }: Asked<VmFacts>,
  hosts: readonly InventoryHost[],
  read: ReadonlyMap<string, Properties>,
  inventory: Inventory,
): Candidate {
  const { id, cpus, memory, needs } = vm;
  const zone = inventory.place(id)?.cluster ?? '';
  const away = new Map<string, string>();
  for (const host of hosts) {
    const properties = read.get(host.id);
    const has = new Set([...idsOf(properties?.get('datastore')), ...idsOf(properties?.get('network'))]);
    if (host.cluster !== zone) away.set(host.name, `it is in ${zone}, and ${host.name} is not`);
    else if (!needs.every((each) => has.has(each)))
      away.set(host.name, `${host.name} does not have all its datastores and networks`);
  }
  const home = hosts.find((host) => host.id === vm.host && !away.has(host.name))?.name;
  return { request, id, cpus, memory, away, ...(home !== undefined && { home }) };
}

function* standingIn(inventory: Inventory, homes: Homes, now: number): Generator<Standing> {
  for (const vm of inventory.vms()) {
    const placement = homes.placementOf(vm);
    if (!placement) continue;
    const { id, name, cpus, memory, power, bootTime = 0 } = vm;
    const runs = power !== 'PoweredOff' && power !== 'Suspended';
    const promised = power === 'PoweredOff' && homes.hostOf(vm) !== undefined;
    const unseen = promised || (runs && now - bootTime < BOOTING);
    yield { id, name, placement, cpus: runs || promised ? cpus : 0, memory: unseen ? memory : 0 };
  }
}
