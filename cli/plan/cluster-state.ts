/** What `plan` and `diff` know of a cluster: its objects, the platform of each VM, and the VMs as they are observed. */
import type { Manifests } from '../../api';
import type { PlatformNames } from '../../platforms';
import { formatLiveProblem, readCluster } from '../manifests';
import { clusterPlatform, type PlatformOptions, type SourceOptions } from '../options';
import { printNote } from '../output';
import { memberPlatforms } from '../runtime';
import { describedStates, observedBy } from './described-states';
import { viewPlatform, type PlatformView } from './platform';

/** A cluster, with the change that is looked at. */
export interface ClusterState extends PlatformView {
  before: Manifests;
  after: Manifests;
  /** Which platform each VM is on, before and after. */
  names: Record<'before' | 'after', PlatformNames | undefined>;
}

/**
 * Reads it, and asks the platforms that Platform objects describe for the states of their VMs. Problems of objects go to standard error.
 *
 * @param change The objects after the change; left out: there is none.
 * @throws CliError as `readCluster` of `manifests/` and {@link memberPlatforms}.
 */
export async function readClusterState(
  options: SourceOptions & PlatformOptions,
  change: (before: Manifests) => Manifests = (before) => before,
): Promise<ClusterState> {
  const cluster = await readCluster(options);
  for (const problem of cluster.problems) printNote(formatLiveProblem(problem));
  const before = cluster.manifests;
  const after = change(before);
  const choice = { ...options, platform: clusterPlatform(options) };
  const names = {
    before: await memberPlatforms(before, choice),
    after: await memberPlatforms(after, choice),
  };
  const view = await viewPlatform(cluster, names.before?.typeOf({ namespace: '' }), options);
  const described = await describedStates(after.virtualMachines, names.after);
  return { ...view, before, after, names, observe: observedBy(described, view.observe) };
}
