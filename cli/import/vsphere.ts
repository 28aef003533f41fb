/** `vmgroup import vsphere`. */
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { vsphereConnection } from '../runtime';
import { importFrom } from './import';
import type { ImportOptions } from './options';

/** Options of `import vsphere`. */
export interface VsphereImportOptions extends ImportOptions {
  /** Path of a VM folder. */
  folder?: string;
  /** Path of a resource pool. */
  pool?: string;
  /** `NAME` or `CATEGORY/NAME`. */
  tag?: string;
}

/** Writes manifests for the VMs of a vCenter or an ESXi host. @throws CliError */
export async function importVsphere(options: VsphereImportOptions): Promise<void> {
  const { folder, pool, tag } = options;
  await importFrom('vsphere', options, async (settings) => {
    const connection = vsphereConnection(settings);
    const { readInventory, vmsWithTag } = lazy.vsphere();
    try {
      const tagged = tag === undefined ? undefined : await vmsWithTag(connection, tag);
      const inventory = await readInventory(connection);
      return {
        inventory,
        selected: ({ id, path }) =>
          (folder === undefined || isWithin(path, folder)) &&
          (pool === undefined || isWithin(`${inventory.poolOf(id)}/`, pool)) &&
          (tagged?.has(id) ?? true),
      };
    } catch (error: unknown) {
      throw new CliError(messageOf(error), [
        'check the connection, the certificate and the rights: vmgroup doctor --platform vsphere',
      ]);
    }
  });
}

/** Whether something stands in a folder, or in a folder in it. */
function isWithin(path: string, folder: string): boolean {
  return path.startsWith(`/${folder.replace(/^\/+|\/+$/g, '')}/`);
}
