/** Groups as the objects of a cluster have them, with the status that the bridge has written there. */
import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupView } from '../../bridge';
import type { ApiServer, KubernetesObject, Resource, ResourceCache } from '../../kubernetes';
import { callCluster, connectCluster, watchedNamespaces, type SourceOptions } from '../connections/cluster';
import type { GroupName } from '../get';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import type { StoredGroup } from './last-run';
import type { ReachOptions } from '../connections/temporal';
import { runReader } from './run-reader';
import { storedGroup } from './stored-group';
import type { ViewFeed } from './views';

/** Objects of one page of a list. */
const PAGE = 500;

/** Milliseconds between two looks at the progress of open runs. */
const PROGRESS_INTERVAL = 1_000;

/** Milliseconds in which changes are gathered before they are shown. */
const GATHER = 100;

/**
 * The objects of a resource: of one namespace, of those that the options name, or of all.
 *
 * @throws CliError with the cure where the API server refuses, or does not answer.
 */
export async function listObjects(
  api: ApiServer,
  resource: Resource,
  namespaces: readonly string[] | undefined,
): Promise<KubernetesObject[]> {
  const found: KubernetesObject[] = [];
  for (const namespace of namespaces ?? [undefined]) {
    let next: string | undefined;
    do {
      const where = { ...(namespace !== undefined && { namespace }) };
      const page = await callCluster(api, { verb: 'list', resource, ...where }, () =>
        api.list(resource, { ...where, limit: PAGE, ...(next !== undefined && { continue: next }) }),
      );
      found.push(...page.items);
      next = page.metadata.continue || undefined;
    } while (next !== undefined);
  }
  return found;
}

/** One group of a cluster. Throws as {@link listObjects}, and where there is no such group. */
async function getGroup(api: ApiServer, { namespace, name }: GroupName): Promise<KubernetesObject> {
  const resource = lazy.kubernetes().RESOURCES.virtualMachineGroups;
  const group = await callCluster(api, { verb: 'get', resource, namespace }, () =>
    api.get(resource, { namespace, name }),
  );
  if (group) return group;
  throw noSuchGroup({ namespace, name }, await listObjects(api, resource, [namespace]));
}

/** What a person is told who names a group that is not there. */
export function noSuchGroup({ namespace, name }: GroupName, there: KubernetesObject[]): CliError {
  const names = there.map(({ metadata }) => `${namespace}/${metadata.name}`);
  const more = names.length > 10 ? `, and ${names.length - 10} more` : '';
  return new CliError(`there is no group ${namespace}/${name} on the cluster`, [
    names.length > 0
      ? `groups in that namespace: ${names.slice(0, 10).join(', ')}${more}`
      : `there is no group at all in namespace ${namespace}; see them all: vmgroup get groups --source kubernetes`,
  ]);
}

/**
 * The views of one group or all. Temporal is asked for the runs of the groups that `wanted` accepts. Throws as {@link listObjects}, and where there is no group.
 */
export async function clusterViews(
  name: GroupName | undefined,
  options: SourceOptions & ReachOptions,
  wanted: (group: StoredGroup) => boolean,
): Promise<GroupView[]> {
  const groups = await storedGroups(name, options);
  const reader = runReader(options, (message) => process.stderr.write(`note: ${message}\n`));
  try {
    await reader.ask(groups.filter(wanted));
    return groups.map((group) => reader.show(group));
  } finally {
    await reader.close();
  }
}

async function storedGroups(name: GroupName | undefined, options: SourceOptions): Promise<StoredGroup[]> {
  const api = connectCluster(options);
  const resource = lazy.kubernetes().RESOURCES.virtualMachineGroups;
  const namespaces = watchedNamespaces(options);
  const objects = name ? [await getGroup(api, name)] : await listObjects(api, resource, namespaces);
  if (objects.length === 0) {
    const where = namespaces ? `namespace ${namespaces.join(', ')}` : 'any namespace';
    throw new CliError(`there is no VirtualMachineGroup in ${where} of ${api.address}`, [
      'apply one: kubectl apply -f FILE',
      'or name another cluster: --kubeconfig PATH, --context NAME',
    ]);
  }
  return objects.map(storedGroup);
}

/**
 * Follows groups from now on, whatever the API server does meanwhile, and the progress of their open runs as far as Temporal tells it.
 * Throws as {@link clusterViews}.
 */
export async function followClusterViews(
  name: GroupName | undefined,
  options: SourceOptions & ReachOptions,
  note: (message: string) => void,
): Promise<ViewFeed> {
  // The cache would try for ever where a person has to do something.
  await storedGroups(name, options);
  const changes = new EventEmitter();
  let isNews = false;
  const tell = (): void => {
    isNews = true;
    changes.emit('change');
  };
  const cache = groupCache(name, options, note);
  cache.onChange(tell);
  await cache.synced();
  const stop = new AbortController();
  const reader = runReader(options, note);
  const present = (): StoredGroup[] => [...cache.entries()].map(([, group]) => group);
  const views = (): GroupView[] => present().map((group) => reader.show(group));
  const polling = (async () => {
    for (let before = ''; !stop.signal.aborted;) {
      await reader.ask(present());
      const now = JSON.stringify(views());
      if (now !== before) tell();
      before = now;
      await sleep(PROGRESS_INTERVAL, undefined, { signal: stop.signal }).catch(() => undefined);
    }
  })();
  return {
    views: async () => views(),
    changed: async (signal) => {
      if (!isNews) await once(changes, 'change', { signal }).catch(() => undefined);
      await sleep(GATHER, undefined, { signal }).catch(() => undefined);
      isNews = false;
    },
    close: async () => {
      stop.abort();
      await cache.stop();
      await polling;
      await reader.close();
    },
  };
}

function groupCache(
  name: GroupName | undefined,
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
      note(`the API server cannot be followed, what is shown may be old; trying again: ${messageOf(error)}`);
    },
  });
  cache.onLive((live) => {
    if (live && isBroken) note('the API server is followed again');
    if (live) isBroken = false;
  });
  return cache;
}
