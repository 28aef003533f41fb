/** The views of groups that commands show: those of a data folder, or of the objects of a cluster. */
import type { ObjectName } from '../../api';
import { listed } from '../../api/text';
import type { GroupView } from '../../bridge';
import { CliError } from '../errors';
import { isOnCluster, type GroupOptions } from '../options';
import { printNote } from '../output';
import { clusterStaleness, clusterViews, followClusterViews } from './cluster-views';
import { folderStaleness, folderViews, followFolderViews } from './folder-views';
import { groupName } from './view';
import type { ViewFeed } from './view-feed';

/** Which groups on a cluster Temporal is asked about: none, those whose status has no place for runs, or also those with an open run. */
export type TemporalUse = 'none' | 'missing' | 'open';

/**
 * The views that the bridge has written, of one group or all; on a cluster completed by Temporal.
 *
 * @throws CliError if there is no such group, or no group at all.
 */
export async function loadViews(
  name: ObjectName | undefined,
  options: GroupOptions,
  use: TemporalUse,
): Promise<GroupView[]> {
  if (!isOnCluster(options)) return folderViews(name, options.data);
  return clusterViews(name, options, ({ lacksRun }) => use === 'open' || (use === 'missing' && lacksRun));
}

/** The view of one group, with the steps of its open run. Throws as {@link loadViews}. */
export async function loadView(name: ObjectName, options: GroupOptions): Promise<GroupView> {
  const [view] = (await loadViews(name, options, 'open')) as [GroupView];
  return view;
}

/**
 * The views of a group and of the others in its namespace, with the steps of their open runs: the groups above and below it are among them.
 * Throws as {@link loadViews}.
 */
export async function loadTree(name: ObjectName, options: GroupOptions): Promise<GroupView[]> {
  const isHere = ({ metadata }: GroupView): boolean => metadata.namespace === name.namespace;
  const views = isOnCluster(options)
    ? await clusterViews(undefined, { ...options, watchNamespaces: [name.namespace] }, () => true)
    : (await folderViews(undefined, options.data)).filter(isHere);
  if (views.some(({ metadata }) => metadata.name === name.name)) return views;
  // Says which groups there are.
  return loadViews(name, options, 'none');
}

/** Follows one group or all. `note` is called with what the person should know besides. Throws as {@link loadViews}. */
export async function followViews(
  name: ObjectName | undefined,
  options: GroupOptions,
  note: (message: string) => void,
): Promise<ViewFeed> {
  if (isOnCluster(options)) return followClusterViews(name, options, note);
  return followFolderViews(name, options.data);
}

/** Why no bridge keeps the views up to date; undefined: one does. */
export function staleness(views: GroupView[], options: GroupOptions): string | undefined {
  return isOnCluster(options) ? clusterStaleness(views) : folderStaleness(options.data);
}

/** Writes a note to standard error if no bridge keeps the views up to date. */
export function noteIfStale(views: GroupView[], options: GroupOptions): void {
  const note = staleness(views, options);
  if (note !== undefined) printNote(`note: ${note}`);
}

/**
 * The views of the tree that a group is part of.
 *
 * @throws CliError if there is no such group among the views.
 */
export function treeAround(views: readonly GroupView[], { namespace, name }: ObjectName): GroupView[] {
  const here = views.filter(({ metadata }) => metadata.namespace === namespace);
  const byName = new Map(here.map((view) => [view.metadata.name, view]));
  if (!byName.has(name))
    throw new CliError(`there is no group ${namespace}/${name}`, [
      here.length > 0
        ? `groups in that namespace: ${listed(here.map(groupName), 10)}`
        : 'list the groups: vmgroup get groups',
    ]);
  const top = topOf(byName, name);
  return here.filter(({ metadata }) => topOf(byName, metadata.name) === top);
}

/** The topmost group above one. A circle of parents ends where it began. */
function topOf(byName: ReadonlyMap<string, GroupView>, name: string): string {
  const seen = new Set([name]);
  for (let at = name; ;) {
    const parent = byName.get(at)?.spec.groupName;
    if (parent === undefined || !byName.has(parent) || seen.has(parent)) return at;
    seen.add(parent);
    at = parent;
  }
}
