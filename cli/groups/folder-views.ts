/** Groups as the bridge that works on a data folder has written them. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectName } from '../../api';
import type { GroupView } from '../../bridge';
import { dataFolder, readLiveRecord } from '../data-folder';
import { CliError } from '../errors';
import * as lazy from '../lazy';
import { firstNames } from '../output';
import { groupName } from './view';
import type { ViewFeed } from './view-feed';

/** Milliseconds between two reads of the files that the bridge writes at most once a second. */
const READ_INTERVAL = 400;

/**
 * The views of one group, or of all.
 *
 * @throws CliError if there are none.
 */
export async function folderViews(name: ObjectName | undefined, data: string): Promise<GroupView[]> {
  const folder = dataFolder(data);
  const views = await lazy.status().readViews(folder.status);
  const found = views.filter(
    ({ metadata }) => !name || (metadata.namespace === name.namespace && metadata.name === name.name),
  );
  if (found.length > 0) return found;
  if (views.length > 0 && name)
    throw new CliError(`there is no group ${name.namespace}/${name.name}`, [
      `groups here: ${firstNames(views.map(groupName))}`,
    ]);
  throw new CliError(`there is no status of any group in ${folder.dir}`, [
    'run vmgroup up PATH or vmgroup serve first',
    'or name the data folder of a running one: --data DIR',
    'or read the groups of a cluster: --source kubernetes',
  ]);
}

/** Follows one group, or all. Throws as {@link folderViews}. */
export async function followFolderViews(name: ObjectName | undefined, data: string): Promise<ViewFeed> {
  let first: GroupView[] | undefined = await folderViews(name, data);
  return {
    views: async () => {
      const views = first;
      first = undefined;
      // Neither the deletion of the group nor a folder that is being rewritten ends the feed.
      return views ?? folderViews(name, data).catch(() => []);
    },
    changed: (signal) => sleep(READ_INTERVAL, undefined, { signal }).catch(() => undefined),
    close: async () => undefined,
  };
}

/** Why the views of a data folder are out of date; undefined if a bridge keeps them up to date. */
export function folderStaleness(data: string): string | undefined {
  if (readLiveRecord(dataFolder(data))) return undefined;
  return 'neither vmgroup up nor serve runs on this data; this is the state when it stopped';
}
