/** What runs on a cluster. */
import type { Manifests, ObjectName } from '../../api';
import { loadViews } from '../groups';
import { formatLiveProblem, readCluster } from '../manifests';
import { platformViews } from '../plan';
import { namesOf, readChanged, type Running, type RunningOptions } from './running';

/**
 * Reads it.
 *
 * @param paths The changed manifests; none: the objects are compared with themselves, so that only what is due is left.
 * @throws CliError if the manifests are invalid or cannot be read, or the API server does not answer.
 */
export async function readOnCluster(paths: string[], options: RunningOptions): Promise<Running> {
  const changed = paths.length > 0 ? await readChanged(paths) : undefined;
  const cluster = await readCluster(options);
  for (const problem of cluster.problems) process.stderr.write(formatLiveProblem(problem) + '\n');
  const before = cluster.manifests;
  const after = changed ? overlaid(before, changed) : before;
  const { simulator, platform = simulator === undefined ? 'vm-operator' : 'simulated' } = options;
  const names = await namesOf(before, after, { ...options, platform });
  const type = names.before?.typeOf({ namespace: '' });
  const { observe, placesAhead, place } = await platformViews().viewPlatform(cluster, type, {
    ...options,
    output: 'json',
  });
  const views = await loadViews(undefined, options, 'open').catch(() => []);
  return { before, after, names, views, observe, placesAhead, place };
}

/** The objects of a cluster with those of files in the place of the ones with the same names. */
export function overlaid(cluster: Manifests, files: Manifests): Manifests {
  return {
    groups: overlaidKind(cluster.groups, files.groups),
    virtualMachines: overlaidKind(cluster.virtualMachines, files.virtualMachines),
    classes: overlaidKind(cluster.classes, files.classes),
    policies: overlaidKind(cluster.policies, files.policies),
    inventories: overlaidKind(cluster.inventories, files.inventories),
    platforms: overlaidKind(cluster.platforms, files.platforms),
  };
}

/** An object of a file is the one of the cluster in another version: it keeps its uid. */
function overlaidKind<T extends ObjectName & { uid: string }>(
  cluster: readonly T[],
  files: readonly T[],
): T[] {
  const known = new Map(cluster.map((object) => [`${object.namespace}/${object.name}`, object]));
  for (const object of files) {
    const key = `${object.namespace}/${object.name}`;
    const uid = known.get(key)?.uid ?? object.uid;
    known.set(key, { ...object, uid });
  }
  return [...known.values()];
}
