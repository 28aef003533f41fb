/** Reads all VMs of a server, and all that starts them in order. Changes nothing. */
import type { ExistingInventory, ExistingOrder, ExistingVm } from '../../existing';
import { Collector, readProperties } from '../stream';
import { drsLevel, type VmFacts } from '../facts';
import { platformError } from '../faults';
import { Inventory } from '../inventory';
import { oursIn } from '../placing';
import { SoapClient, type SoapOptions } from '../soap';
import { autostartOrder } from './autostart';
import { dependencyOrders } from './dependencies';
import { vappOrders } from './vapp';

/** Milliseconds in which an inventory is read. */
const READING = 120_000;

/** What a server has. */
export interface VsphereInventory extends ExistingInventory {
  /** `drs`: its automation level; absent: it has none. `rules`: names of the rules of DRS that are ours. */
  clusters: { name: string; drs?: string; rules: string[] }[];
  /** Path of the resource pool of a VM. */
  poolOf: (vm: string) => string;
}

/** Reads an inventory in one session. @throws PlatformError */
export async function readInventory(options: SoapOptions): Promise<VsphereInventory> {
  const client = new SoapClient(options);
  try {
    return await readAll(client, AbortSignal.timeout(READING));
  } catch (error: unknown) {
    throw platformError(error, `the inventory of ${client.host}`);
  } finally {
    await client.close();
  }
}

/** The inventory of a server that a session is open to. @throws VimFault, TransportError */
export async function readAll(client: SoapClient, signal: AbortSignal): Promise<VsphereInventory> {
  const inventory = await listed(client, signal);
  const vms = [...inventory.vms()];
  return {
    vms: vms.map((vm) => existingVm(vm, inventory)),
    orders: await readOrders(client, inventory, signal),
    notes: [],
    clusters: [...inventory.objects('ClusterComputeResource')].map(({ object, properties }) => {
      const drs = drsLevel(properties);
      const rules = oursIn(properties.get('configurationEx')).map(({ name }) => name);
      return { name: properties.get('name')?.text ?? object.id, ...(drs !== undefined && { drs }), rules };
    }),
    poolOf: (vm) => inventory.poolPath(vm),
  };
}

async function listed(client: SoapClient, signal: AbortSignal): Promise<Inventory> {
  const inventory = new Inventory();
  const collector = await Collector.open(client, signal);
  try {
    for (let more = true; more;) {
      const next = await collector.next(signal);
      for (const update of next.updates) inventory.update(update);
      more = next.more;
    }
  } finally {
    await collector.close();
  }
  return inventory;
}

function existingVm(vm: VmFacts, inventory: Inventory): ExistingVm {
  const path = inventory.path(vm.id);
  return {
    id: vm.id,
    name: vm.name,
    path,
    locator: vm.uuid === '' ? `path:${path}` : `uuid:${vm.uuid}`,
    ...(vm.power && { powerState: vm.power }),
  };
}

async function readOrders(
  client: SoapClient,
  inventory: Inventory,
  signal: AbortSignal,
): Promise<ExistingOrder[]> {
  const nameOf = (vm: string): string => inventory.vm(vm)?.name ?? vm;
  const named = (type: string): { id: string; name: string }[] =>
    [...inventory.objects(type)].map(({ object, properties }) => ({
      id: object.id,
      name: properties.get('name')?.text ?? object.id,
    }));
  const read = async (type: string, path: string): ReturnType<typeof readProperties> => {
    const objects = named(type).map(({ id }) => ({ type, id }));
    return readProperties(client, objects, [path], signal);
  };
  const entities = await read('VirtualApp', 'vAppConfig.entityConfig');
  const autostart = await read('HostSystem', 'config.autoStart');
  const vapps = named('VirtualApp').map(({ id, name }) => ({
    id,
    name,
    entities: entities.get(id)?.get('vAppConfig.entityConfig'),
  }));
  const clusters = [...inventory.objects('ClusterComputeResource')];
  return [
    ...vappOrders(vapps, nameOf),
    ...clusters.flatMap(({ object, properties }) =>
      dependencyOrders(properties.get('name')?.text ?? object.id, properties.get('configurationEx'), nameOf),
    ),
    ...named('HostSystem').flatMap(
      ({ id, name }) => autostartOrder(name, autostart.get(id)?.get('config.autoStart'), nameOf) ?? [],
    ),
  ];
}
