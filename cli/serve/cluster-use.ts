/** Whether a process works on a cluster, on which one, and whether VM Operator's own group controller acts there. Pure. */
import type { PlatformObject } from '../../api';
import type { ClusterOptions } from '../options';
import type { Role, ServeOptions } from './options';

/** The cluster of a process. */
export interface ClusterUse {
  options: ClusterOptions;
  /** VM Operator's group controller acts: what it owns is never written. */
  companion: boolean;
  /** The default platform is that of this cluster. */
  isDefaultPlatform: boolean;
  /** Its VMs are those of KubeVirt. */
  isKubevirt?: true;
}

/** What a process needs of a cluster; undefined: nothing. A Platform of type `vmOperator` is one whatever its name. */
export function clusterUse(
  role: Role,
  options: Pick<ServeOptions, 'platform' | 'mode' | 'source'> & ClusterOptions,
  platforms: readonly PlatformObject[],
): ClusterUse | undefined {
  const settings = platforms.find(({ name }) => name === options.platform)?.settings;
  if (!settings && options.platform === 'kubevirt')
    return { options, companion: false, isDefaultPlatform: true, isKubevirt: true };
  const isVmOperator = (settings?.type ?? options.platform) === 'vm-operator';
  const readsCluster = role !== 'worker' && options.source === 'kubernetes';
  if (!isVmOperator && !readsCluster) return undefined;
  // Groups in a folder are never those that VM Operator's group controller knows.
  const companion =
    isVmOperator && (options.mode === 'companion' || (role !== 'worker' && options.source === 'directory'));
  if (settings?.type !== 'vm-operator') return { options, companion, isDefaultPlatform: isVmOperator };
  // The groups are read where the options say, the VMs where the Platform says.
  if (readsCluster) return { options, companion, isDefaultPlatform: false };
  const { type: _type, ...where } = settings;
  return { options: { ...options, ...where }, companion, isDefaultPlatform: true };
}
