/** `vmgroup import libvirt`. */
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { hostOptions } from '../runtime';
import { importFrom } from './import';
import type { ImportOptions } from './options';

/** Milliseconds in which all hosts are read. */
const READING = 60_000;

/** Writes manifests for the VMs of libvirt hosts. @throws CliError */
export async function importLibvirt(options: ImportOptions): Promise<void> {
  await importFrom('libvirt', options, async ({ hosts }) => {
    try {
      const reached = hosts.map((host) => hostOptions(host, process.env));
      const inventory = await lazy.libvirt().readInventory(reached, AbortSignal.timeout(READING));
      return { inventory, selected: () => true };
    } catch (error: unknown) {
      throw new CliError(messageOf(error), [
        'check the host: virsh -c URI list; the user of this process needs the group libvirt, or a key for ssh',
      ]);
    }
  });
}
