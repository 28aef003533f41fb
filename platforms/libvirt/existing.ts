/** What libvirt hosts have already, for `vmgroup import`. */
import type { ExistingInventory, ExistingVm } from '../existing';
import { Daemon, LIST, type Domain } from './daemon';
import { platformError } from './faults';
import type { HostOptions } from './host';

/** What is read of one host. */
interface HostInventory {
  host: string;
  domains: readonly Domain[];
  /** UUIDs of those that libvirt starts with the host. */
  autostart: ReadonlySet<string>;
}

/**
 * Reads the VMs of hosts. Nothing in libvirt starts them in order: what starts them at all is in the notes.
 *
 * @throws PlatformError if a host cannot be read.
 */
export async function readInventory(
  hosts: readonly HostOptions[],
  signal: AbortSignal,
): Promise<ExistingInventory> {
  const read = await Promise.all(hosts.map((host) => readHost(host, signal)));
  const vms = new Map<string, ExistingVm>();
  for (const { host, domains } of read) {
    for (const { uuid, name } of domains) {
      const known = vms.get(uuid);
      const path = known ? `${known.path}, /${host}/${name}` : `/${host}/${name}`;
      vms.set(uuid, { id: uuid, name, path, locator: `uuid:${uuid}` });
    }
  }
  const notes = read.flatMap(({ host, domains, autostart }) =>
    domains
      .filter(({ uuid }) => autostart.has(uuid))
      .map(
        ({ name }) => `libvirt starts ${name} with ${host}, in no order: virsh autostart --disable ${name}`,
      ),
  );
  return { vms: [...vms.values()], orders: [], notes };
}

async function readHost({ name, transport, uri }: HostOptions, signal: AbortSignal): Promise<HostInventory> {
  try {
    const daemon = await Daemon.open(transport, uri, () => undefined, signal);
    try {
      const domains = await daemon.domains(LIST.persistent, signal);
      const autostart = await daemon.domains(LIST.autostart, signal);
      return { host: name, domains, autostart: new Set(autostart.map(({ uuid }) => uuid)) };
    } finally {
      daemon.close();
    }
  } catch (error: unknown) {
    throw platformError(error, `host ${name}`);
  }
}
