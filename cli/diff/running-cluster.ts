/** What runs on a cluster. */
import { loadViews } from '../groups';
import { formatLiveProblem, readCluster } from '../manifests';
import { printNote } from '../output';
import { platformViews } from '../plan';
import { describedStates } from './described-states';
import { overlaid } from './overlaid';
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
  for (const problem of cluster.problems) printNote(formatLiveProblem(problem));
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
  const described = await describedStates(after.virtualMachines, names.after);
  return {
    ...{ before, after, names, views, placesAhead, place },
    observe: (vm) => {
      const name = `${vm.namespace}/${vm.name}`;
      return described.has(name) ? described.get(name) : observe(vm);
    },
  };
}
