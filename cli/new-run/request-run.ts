/** Requests for new runs: of the bridge that works on a data folder, or by the object on a cluster. */
import type { ObjectName } from '../../api';
import { dataFolder, readLiveRecord } from '../data-folder';
import { CliError } from '../errors';
import { loadViews } from '../groups';
import * as lazy from '../lazy';
import { isOnCluster, onSameTarget, type GroupOptions } from '../options';
import { requestOnCluster } from './sync-request';

/** Where to ask for a run, who asks and why. */
export interface RunRequestOptions extends GroupOptions {
  actor: string;
  reason: string;
}

/**
 * Requests a new run of a group.
 *
 * @returns the text to print.
 * @throws CliError if no bridge works on the data folder, there is no such group, or the API server refuses.
 */
export async function requestNewRun(group: ObjectName, options: RunRequestOptions): Promise<string> {
  if (isOnCluster(options)) return requestOnCluster(group, options);
  const { namespace, name } = group;
  const { actor, reason } = options;
  const folder = dataFolder(options.data);
  if (!readLiveRecord(folder)) {
    throw new CliError(`no bridge works on ${folder.dir}, so none can start a run of ${namespace}/${name}`, [
      'start vmgroup up or vmgroup serve, or name the data folder of a running one: --data DIR',
      'or, if the group is an object of a cluster: --source kubernetes',
    ]);
  }
  await loadViews(group, options, 'none');
  await lazy.bridge().requestRun(folder.requests, { namespace, name, actor, reason });
  const text = `asked for a new run of ${namespace}/${name}; follow it with vmgroup watch ${namespace}/${name}`;
  return onSameTarget(text, process.argv.slice(2));
}
