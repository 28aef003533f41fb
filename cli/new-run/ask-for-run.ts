/** Asks for a new run of a group: the bridge that works on a data folder, or by way of the object on a cluster. */
import { defaultActor } from '../options/actor';
import { isOnCluster, type SourceOptions } from '../connections/cluster';
import { askOnCluster } from './cluster';
import type { GroupName } from '../get';
import { dataFolder, readLiveRecord } from '../data-folder/data-folder';
import { CliError } from '../errors';
import * as lazy from '../lazy';
import type { ReachOptions } from '../connections/temporal';
import { loadViews } from '../groups/views';

/** Where to ask, who asks and why. */
export interface AskOptions extends SourceOptions, ReachOptions {
  actor?: string;
  reason: string;
}

/**
 * Asks, or leaves the request for the bridge.
 *
 * @returns what to tell the person.
 * @throws CliError when no bridge works on the folder, there is no such group, or the API server refuses.
 */
export async function askForRun({ namespace, name }: GroupName, options: AskOptions): Promise<string> {
  const actor = options.actor ?? defaultActor();
  if (isOnCluster(options)) return askOnCluster({ namespace, name }, { ...options, actor });
  const folder = dataFolder(options.data);
  if (!readLiveRecord(folder)) {
    throw new CliError(`nobody works on ${folder.dir}, so nobody can start a run of ${namespace}/${name}`, [
      'start vmgroup up or vmgroup serve, or name the data folder of one that runs: --data DIR',
      'or, where the group is an object of a cluster: --source kubernetes',
    ]);
  }
  await loadViews({ namespace, name }, options, 'none');
  await lazy.bridge().requestRun(folder.requests, { namespace, name, actor, reason: options.reason });
  return `asked for a new run of ${namespace}/${name}; follow it with vmgroup watch ${namespace}/${name}`;
}
