/** `vmgroup import kubevirt`. */
import { connectCluster, listIfServed, listObjects } from '../connections';
import * as lazy from '../lazy';
import { watchedNamespaces, type ClusterOptions } from '../options';
import { importFrom, importOf, type Reading } from './import';
import type { ImportOptions } from './options';

/** Options of `import kubevirt`. */
export interface KubevirtImportOptions extends ImportOptions, ClusterOptions {
  /** As kubectl takes it. */
  selector?: string;
}

/** Name of the platform of a cluster that no Platform describes, as `--platform kubevirt` has it. */
const BUILT_IN = 'kubevirt';

/**
 * Writes manifests for VMs of KubeVirt: of the cluster that a Platform describes, or without one of that which kubectl would find.
 *
 * @throws CliError
 */
export async function importKubevirt(options: KubevirtImportOptions): Promise<void> {
  const read = (where: ClusterOptions): Promise<Reading> => readCluster({ ...options, ...where });
  if (options.platforms === undefined && options.platform === undefined) {
    const { kubeconfig, context } = options;
    const settings = {
      type: 'kubevirt' as const,
      ...(kubeconfig !== undefined && { kubeconfig }),
      ...(context !== undefined && { context }),
    };
    return importOf({ name: BUILT_IN, settings }, options, read);
  }
  await importFrom('kubevirt', options, read);
}

async function readCluster(options: KubevirtImportOptions): Promise<Reading> {
  const api = connectCluster(options);
  const { kubevirtMachines, virtualMachineGroups } = lazy.kubernetes().RESOURCES;
  const namespaces = watchedNamespaces(options);
  const vms = await listObjects(api, kubevirtMachines, namespaces, options.selector);
  const groups = await listIfServed(api, virtualMachineGroups, namespaces, { unlessForbidden: true });
  const names = (groups ?? []).map(({ metadata: { namespace = '', name } }) => `${namespace}/${name}`);
  return { inventory: lazy.kubevirt().inventoryOf(vms, new Set(names)), selected: () => true };
}
