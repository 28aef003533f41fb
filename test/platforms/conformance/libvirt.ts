/** What the two parts of the platform `libvirt` share: platforms on lines of their own, broken lines, and forged records. */
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { VirtualMachineRef } from '../../../contract';
import { LibvirtPlatform, type HostOptions } from '../../../platforms/libvirt';
import type { TestLibvirt } from '../../support/libvirt';
import { startLibvirtLine, type LibvirtLine } from '../../support/libvirt-line';
import { until } from '../../support/until';
import type { OpenPlatform, WatchInjury } from './platform-under-test';

/** URI of libvirt's own test driver. */
export const TEST_DRIVER = 'test:///default';

/** The platforms that are open, each with a line of its own to the daemon. */
export class OpenPlatforms {
  readonly #open = new Set<LibvirtPlatform>();
  #lines = 0;

  /** Opens one. `hostsOn`: its hosts, where the daemon is reached by this socket; `vms`: those that exist. */
  async open(
    libvirt: TestLibvirt,
    hostsOn: (socket: string) => HostOptions[],
    vms: readonly VirtualMachineRef[],
  ): Promise<OpenPlatform> {
    this.#lines += 1;
    const line = await startLibvirtLine(path.join(libvirt.dir, `line-${this.#lines}`), libvirt.socket);
    const platform = new LibvirtPlatform({ hosts: hostsOn(line.socket) });
    platform.track(vms);
    this.#open.add(platform);
    return {
      platform,
      line,
      close: async () => {
        this.#open.delete(platform);
        await platform.close();
      },
    };
  }

  /** Has all of them track these VMs too. */
  track(vms: readonly VirtualMachineRef[]): void {
    for (const platform of this.#open) platform.track(vms);
  }
}

/** A host that is reached by a socket. */
export function hostBy(socket: string, name: string, uri: string): HostOptions {
  return { name, uri, transport: { type: 'Socket', paths: [socket] } };
}

/** Defines a VM on the test driver. */
export async function defineOnTestDriver(libvirt: TestLibvirt, name: string, uuid: string): Promise<void> {
  await withTestDomain(libvirt, 'define', { name, uuid });
}

/** Calls `define` of virsh, or `create`, which makes a domain without a configuration, on the test driver. */
export async function withTestDomain(
  libvirt: TestLibvirt,
  command: 'define' | 'create',
  { name, uuid }: { name: string; uuid: string },
): Promise<void> {
  const file = path.join(libvirt.dir, 'test.xml');
  writeFileSync(
    file,
    `<domain type='test'><name>${name}</name><uuid>${uuid}</uuid><memory unit='MiB'>8</memory><os><type>hvm</type></os></domain>`,
  );
  await libvirt.virshTest(command, file);
  rmSync(file);
}

/** The UUID that a VM was made with. */
export function uuidOf({ locator }: VirtualMachineRef): string {
  return locator?.slice('uuid:'.length) ?? '';
}

/** Injuries of the line to the daemon. */
export const lineInjuries: Record<string, WatchInjury> = {
  'the connection is cut': async ({ line }, meanwhile) => {
    line.cut();
    await meanwhile();
    line.restore();
    return undefined;
  },
  'the connection is cut in the middle of an event': async ({ line }, meanwhile) => {
    (line as LibvirtLine).cutInTheMiddle();
    await meanwhile();
    await until(async () => (await line.connections()) === 0);
    line.restore();
    return undefined;
  },
};

type Forge = (vm: VirtualMachineRef) => Promise<void>;

/** Forged records. `write` puts an element into the metadata of a VM. */
export function forgeriesOf(
  write: (vm: VirtualMachineRef, element: string) => Promise<void>,
): Record<string, Forge> {
  const forgery =
    (written: (record: object) => string): Forge =>
    (vm) => {
      const begin = { vm: uuidOf(vm), id: 'x', seq: 1, to: 'PoweredOff', by: 'x' };
      return write(vm, `<operation>${written({ ...begin, at: '2026-01-01T00:00:00Z' })}</operation>`);
    };
  return {
    'not JSON': forgery(() => '{"id":'),
    'no object': forgery(() => 'null'),
    'an element in an element': forgery(() => '<id>x</id>'),
    'that of another VM': forgery((record) => JSON.stringify({ ...record, vm: 'another' })),
    'of a sequence that no run has': forgery((record) => JSON.stringify({ ...record, seq: 1e300 })),
    'of a caller of 100 KB': forgery((record) =>
      JSON.stringify({ ...record, seq: 1_000, by: 'x'.repeat(100_000) }),
    ),
  };
}
