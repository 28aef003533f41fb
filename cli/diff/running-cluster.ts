/** What runs on a cluster. */
import { loadViews } from '../groups';
import { clusters } from '../plan';
import { overlaid } from './overlaid';
import { readChanged, type Running, type RunningOptions } from './running';

/**
 * Reads it.
 *
 * @param paths The changed manifests; none: the objects are compared with themselves, so that only what is due is left.
 * @throws CliError if the manifests are invalid or cannot be read, or the API server does not answer.
 */
export async function readOnCluster(paths: string[], options: RunningOptions): Promise<Running> {
  const changed = paths.length > 0 ? await readChanged(paths) : undefined;
  const state = await clusters().readClusterState(options, (before) =>
    changed ? overlaid(before, changed) : before,
  );
  return { ...state, views: await loadViews(undefined, options, 'open').catch(() => []) };
}
