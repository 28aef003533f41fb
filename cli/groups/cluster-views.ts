/** Groups from the objects of a cluster, with the status that the bridge has written there. */
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ObjectName } from '../../api';
import { listed } from '../../api/text';
import type { GroupView } from '../../bridge';
import type { ApiServer, KubernetesObject, ResourceCache } from '../../kubernetes';
import { callCluster, connectCluster, listObjects } from '../connections';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { watchedNamespaces, type GroupOptions, type SourceOptions } from '../options';
import { firstNames, printNote } from '../output';
import { RunReader } from './run-reader';
import { storedGroup, type StoredGroup } from './stored-group';
import { groupName } from './view';
import type { ViewFeed } from './view-feed';

/** Milliseconds between two questions about the progress of open runs. */
const PROGRESS_INTERVAL = 1_000;

/** Milliseconds for which changes are collected before they are shown together. */
const COLLECT_TIME = 100;

/** Most groups that a note names. */
const MOST_STALE = 3;

/** The error for a group that does not exist; `present` are the groups of its namespace. */
export function noSuchGroup({ namespace, name }: ObjectName, present: KubernetesObject[]): CliError {
  const names = present.map(({ metadata }) => `${namespace}/${metadata.name}`);
  return new CliError(`there is no group ${namespace}/${name} on the cluster`, [
    names.length > 0
      ? `groups in that namespace: ${firstNames(names)}`
      : `namespace ${namespace} has no groups; list those of all namespaces: vmgroup get groups --source kubernetes`,
  ]);
}

/**
 * The views of one group, or of all. Temporal is asked about the runs of the groups that `wanted` accepts.
 *
 * @throws CliError if there is no such group, or no group at all, or the API server refuses or does not answer.
 */
export async function clusterViews(
  name: ObjectName | undefined,
  options: GroupOptions,
  wanted: (group: StoredGroup) => boolean,
): Promise<GroupView[]> {
  const groups = await storedGroups(name, options);
  const reader = new RunReader(options, (message) => printNote(`note: ${message}`));
  try {
    await reader.read(groups.filter(wanted));
    return groups.map((group) => reader.complete(group));
  } finally {
    await reader.close();
  }
}

/**
 * Follows groups on the API server, whatever happens to it meanwhile, and the progress of their open runs on Temporal. Throws as
 * {@link clusterViews}.
 */
export async function followClusterViews(
  name: ObjectName | undefined,
  options: GroupOptions,
  note: (message: string) => void,
): Promise<ViewFeed> {
  // Fails where the person has to do something; the cache would retry without end.
  await storedGroups(name, options);
  if (name) await listFirst(name.namespace, options);
  const cache = groupCache(name, options, note);
  const feed = new ClusterFeed(cache, new RunReader(options, note));
  await cache.synced();
  feed.start();
  return feed;
}

/** Why the views of a cluster are out of date; undefined if a bridge has handled every change. */
export function clusterStaleness(views: GroupView[]): string | undefined {
  const stale = views.filter(({ metadata, status }) => status.observedGeneration < metadata.generation);
  if (stale.length === 0) return undefined;
  return `no bridge has handled the last change of ${listed(stale.map(groupName), MOST_STALE)}; if that does not change, no bridge runs: see vmgroup doctor`;
}

/** Follows the groups of a cache, and their runs. */
class ClusterFeed implements ViewFeed {
  readonly #cache: ResourceCache<StoredGroup>;
  readonly #reader: RunReader;
  readonly #changes = new EventEmitter();
  readonly #stop = new AbortController();
  #hasChanged = false;
  #polling = Promise.resolve();

  constructor(cache: ResourceCache<StoredGroup>, reader: RunReader) {
    this.#cache = cache;
    this.#reader = reader;
    cache.onChange(() => this.#announce());
  }

  /** Begins to ask for the progress of open runs. */
  start(): void {
    this.#polling = this.#poll();
  }

  async views(): Promise<GroupView[]> {
    return this.#groups().map((group) => this.#reader.complete(group));
  }

  async changed(signal: AbortSignal): Promise<void> {
    if (!this.#hasChanged) await once(this.#changes, 'change', { signal }).catch(() => undefined);
    await sleep(COLLECT_TIME, undefined, { signal }).catch(() => undefined);
    this.#hasChanged = false;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#cache.stop();
    await this.#polling;
    await this.#reader.close();
  }

  async #poll(): Promise<void> {
    const { signal } = this.#stop;
    for (let before = ''; !signal.aborted;) {
      await this.#reader.read(this.#groups());
      const now = JSON.stringify(await this.views());
      if (now !== before) this.#announce();
      before = now;
      await sleep(PROGRESS_INTERVAL, undefined, { signal }).catch(() => undefined);
    }
  }

  #groups(): StoredGroup[] {
    return [...this.#cache.entries()].map(([, group]) => group);
  }

  #announce(): void {
    this.#hasChanged = true;
    this.#changes.emit('change');
  }
}

async function storedGroups(name: ObjectName | undefined, options: SourceOptions): Promise<StoredGroup[]> {
  const api = connectCluster(options);
  const resource = lazy.kubernetes().RESOURCES.virtualMachineGroups;
  const namespaces = watchedNamespaces(options);
  const objects = name ? [await getGroup(api, name)] : await listObjects(api, resource, namespaces);
  if (objects.length === 0) {
    const where = namespaces ? `namespace ${namespaces.join(', ')}` : 'any namespace';
    throw new CliError(`there is no VirtualMachineGroup in ${where} of ${api.address}`, [
      'create one: kubectl apply -f FILE',
      'or name another cluster: --kubeconfig PATH, --context NAME',
    ]);
  }
  return objects.map(storedGroup);
}

async function getGroup(api: ApiServer, name: ObjectName): Promise<KubernetesObject> {
  const resource = lazy.kubernetes().RESOURCES.virtualMachineGroups;
  const { namespace } = name;
  const group = await callCluster(api, { verb: 'get', resource, namespace }, () => api.get(resource, name));
  if (group) return group;
  throw noSuchGroup(name, await listObjects(api, resource, [namespace]));
}

/** Lists as the cache will: who may read one group may not be allowed to. Throws as {@link clusterViews}. */
async function listFirst(namespace: string, options: SourceOptions): Promise<void> {
  const api = connectCluster(options);
  const resource = lazy.kubernetes().RESOURCES.virtualMachineGroups;
  await callCluster(api, { verb: 'list', resource, namespace }, () =>
    api.list(resource, { namespace, limit: 1 }),
  );
}

function groupCache(
  name: ObjectName | undefined,
  options: SourceOptions,
  note: (message: string) => void,
): ResourceCache<StoredGroup> {
  const { resourceCache, RESOURCES, KubernetesError } = lazy.kubernetes();
  const namespaces = name ? [name.namespace] : watchedNamespaces(options);
  let isBroken = false;
  const cache = resourceCache<StoredGroup>({
    api: connectCluster(options),
    resource: RESOURCES.virtualMachineGroups,
    trim: (object) => (name && object.metadata.name !== name.name ? undefined : storedGroup(object)),
    ...(namespaces && { namespaces }),
    onBroken: (error) => {
      if (isBroken || (error instanceof KubernetesError && error.isExpired)) return;
      isBroken = true;
      note(`lost the watch on the API server, retrying; what is shown may be old: ${messageOf(error)}`);
    },
  });
  cache.onLive((live) => {
    if (live && isBroken) note('the API server is watched again');
    if (live) isBroken = false;
  });
  return cache;
}
