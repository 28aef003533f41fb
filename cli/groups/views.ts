/** Where the commands that show groups have them from: the data folder of a bridge, or the objects of a cluster. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupView } from '../../bridge';
import { isOnCluster, type SourceOptions } from '../connections/cluster';
import { clusterViews, followClusterViews } from './cluster-views';
import type { GroupName } from '../get';
import { dataFolder, readLiveRecord } from '../data-folder/data-folder';
import { CliError } from '../errors';
import { groupName } from './group-text';
import * as lazy from '../lazy';
import type { ReachOptions } from '../connections/temporal';

/** Where to look. */
export type WhereOptions = SourceOptions & ReachOptions;

/** Views of groups, again and again. */
export interface ViewFeed {
  views(): Promise<GroupView[]>;
  /** Resolves once another look may be worth it, and when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/** Milliseconds between two looks at the files that the bridge writes, at most once a second each. */
const LOOK_INTERVAL = 400;

/** Groups whose status is old that are named one by one. */
const MOST_NAMED = 3;

/** Which groups Temporal is asked about: none, those whose status has no place for runs, or also those with an open run. */
export type Asked = 'none' | 'missing' | 'open';

/**
 * The views that the bridge has written, of one group or all; on a cluster with what Temporal is asked for beside.
 *
 * @throws CliError when there are none, or not of that group.
 */
export async function loadViews(
  name: GroupName | undefined,
  options: WhereOptions,
  asked: Asked,
): Promise<GroupView[]> {
  if (!isOnCluster(options)) return folderViews(name, options.data);
  return clusterViews(name, options, ({ lacksRun }) => asked === 'open' || (asked === 'missing' && lacksRun));
}

/** The view of one group, with the steps of its open run. Throws as {@link loadViews}. */
export async function loadView(name: GroupName, options: WhereOptions): Promise<GroupView> {
  const [view] = (await loadViews(name, options, 'open')) as [GroupView];
  return view;
}

/** Follows one group or all; `note` is told what a person should know beside. Throws as {@link loadViews}. */
export async function followViews(
  name: GroupName | undefined,
  options: WhereOptions,
  note: (message: string) => void,
): Promise<ViewFeed> {
  if (isOnCluster(options)) return followClusterViews(name, options, note);
  let first: GroupView[] | undefined = await folderViews(name, options.data);
  return {
    views: async () => {
      const views = first;
      first = undefined;
      // A group that has just been deleted, or a folder that is being written anew, is no reason to end.
      return views ?? folderViews(name, options.data).catch(() => []);
    },
    changed: (signal) => sleep(LOOK_INTERVAL, undefined, { signal }).catch(() => undefined),
    close: async () => undefined,
  };
}

async function folderViews(name: GroupName | undefined, data: string): Promise<GroupView[]> {
  const folder = dataFolder(data);
  const views = await lazy.bridge().readViews(folder.status);
  const found = views.filter(({ metadata }) => !name || isNamed(metadata, name));
  if (found.length > 0) return found;
  if (views.length > 0 && name)
    throw new CliError(`there is no group ${name.namespace}/${name.name}`, [
      `groups here: ${views.map(groupName).slice(0, 10).join(', ')}`,
    ]);
  throw new CliError(`nothing is known of any group in ${folder.dir}`, [
    'run vmgroup up PATH or vmgroup serve first',
    'or name the data folder of one that runs: --data DIR',
    'or look at the groups of a cluster: --source kubernetes',
  ]);
}

function isNamed(metadata: { namespace: string; name: string }, { namespace, name }: GroupName): boolean {
  return metadata.namespace === namespace && metadata.name === name;
}

/** What is shown was true when the bridge last looked: a person must know when that is over. */
export function noteIfStale(views: GroupView[], options: WhereOptions): void {
  const note = isOnCluster(options) ? staleOnCluster(views) : staleInFolder(options.data);
  if (note !== undefined) process.stderr.write(`note: ${note}\n`);
}

function staleInFolder(data: string): string | undefined {
  if (readLiveRecord(dataFolder(data))) return undefined;
  return 'neither vmgroup up nor serve runs on this data, so this is how things were when it stopped';
}

function staleOnCluster(views: GroupView[]): string | undefined {
  const behind = views.filter(({ metadata, status }) => status.observedGeneration < metadata.generation);
  if (behind.length === 0) return undefined;
  const more = behind.length > MOST_NAMED ? ` and ${behind.length - MOST_NAMED} more` : '';
  const names = behind.slice(0, MOST_NAMED).map(groupName).join(', ');
  return `no bridge has looked at ${names}${more} since the last change; if that stays so, none runs: see vmgroup doctor`;
}
