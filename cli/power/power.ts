/** `vmgroup power`: sets the desired power state where the group is defined. */
import type { ObjectName, PowerState } from '../../api';
import { isOnCluster } from '../options';
import { setPowerOnCluster } from './cluster';
import { setPowerInManifest } from './manifest';
import type { PowerOptions } from './options';

/**
 * Writes the power state into the manifest of a group, or into its object on a cluster. If it is there already and the last run stopped
 * short of it, requests a new run.
 *
 * @throws CliError if there is no such group, it is ambiguous or outranked, or the file or the API server refuses the write.
 */
export async function setPower(
  group: ObjectName,
  powerState: PowerState,
  options: PowerOptions,
): Promise<void> {
  if (isOnCluster(options)) await setPowerOnCluster(group, powerState, options);
  else await setPowerInManifest(group, powerState, options);
}
