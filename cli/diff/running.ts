/** What runs now: desired state, VMs and runs, from a data folder or a cluster, with the changed manifests beside it. */
import type { Manifests, ObjectName, VirtualMachine, VirtualMachineStatus } from '../../api';
import { formatProblem, own } from '../../api';
import type { GroupView } from '../../bridge';
import type { PlatformNames } from '../../platforms';
import { dataFolder, readLiveRecord } from '../data-folder';
import { CliError } from '../errors';
import { loadViews } from '../groups';
import * as lazy from '../lazy';
import { formatLiveProblem, readCluster, readManifests, type ReadClusterOptions } from '../manifests';
import { isOnCluster, type TemporalOptions } from '../options';
import { platformViews } from '../plan';
import { memberPlatforms } from '../runtime';

/** Where things are. */
export interface RunningOptions extends ReadClusterOptions, TemporalOptions {
  platform?: string;
  platforms?: string[];
  simulator?: string;
}

/** Both states, and what is observed. */
export interface Running {
  before: Manifests;
  after: Manifests;
  /** Which platform each VM is on, before and after. */
  names: Record<'before' | 'after', PlatformNames | undefined>;
  observe: (vm: VirtualMachine) => VirtualMachineStatus | undefined;
  placesAhead: boolean;
  views: readonly GroupView[];
}

/**
 * Reads them.
 *
 * @throws CliError if the manifests are invalid or cannot be read, nothing runs on the data folder, or the API server does not answer.
 */
export async function readRunning(paths: string[], options: RunningOptions): Promise<Running> {
  const parsed = await readManifests(paths, { streams: true });
  const errors = parsed.problems.filter(({ severity }) => severity === 'Error');
  for (const problem of parsed.problems) process.stderr.write(formatProblem(problem) + '\n');
  if (errors.length > 0)
    throw new CliError('the changed manifests are not valid', ['list the problems: vmgroup validate PATH']);
  return isOnCluster(options)
    ? besideCluster(parsed.manifests, options)
    : besideFolder(parsed.manifests, options);
}

async function besideFolder(after: Manifests, options: RunningOptions): Promise<Running> {
  const running = readLiveRecord(dataFolder(options.data));
  if (!running)
    throw new CliError(`nothing runs on the data folder ${options.data}`, [
      'name that of the running vmgroup up, serve or bridge: --data DIR',
      'or plan without a running state: vmgroup plan PATH',
      'or compare with a cluster: --source kubernetes',
    ]);
  const { manifests: before } = await readManifests(running.manifests);
  const views = await loadViews(undefined, options, 'none').catch(() => []);
  const simulator = options.simulator ?? running.simulator?.address;
  const viewed = viewedVms(views);
  const seen = simulator === undefined ? viewed : detailed(viewed, await simulatedVms(simulator));
  return {
    ...{ before, after, views, placesAhead: false },
    names: await namesOf(before, after, options),
    observe: ({ namespace, name }) => own(seen, `${namespace}/${name}`),
  };
}

async function besideCluster(changed: Manifests, options: RunningOptions): Promise<Running> {
  const cluster = await readCluster(options);
  for (const problem of cluster.problems) process.stderr.write(formatLiveProblem(problem) + '\n');
  const before = cluster.manifests;
  const after = overlaid(before, changed);
  const { simulator, platform = simulator === undefined ? 'vm-operator' : 'simulated' } = options;
  const names = await namesOf(before, after, { ...options, platform });
  const type = names.before?.typeOf({ namespace: '' });
  const view = await platformViews().viewPlatform(cluster, type, { ...options, output: 'json' });
  const views = await loadViews(undefined, options, 'none').catch(() => []);
  return { ...{ before, after, names, views }, observe: view.observe, placesAhead: view.placesAhead };
}

async function namesOf(
  before: Manifests,
  after: Manifests,
  { platform, platforms }: RunningOptions,
): Promise<Running['names']> {
  return {
    before: await memberPlatforms(before, platform, platforms),
    after: await memberPlatforms(after, platform, platforms),
  };
}

type Seen = Record<string, VirtualMachineStatus>;

/** VMs as the bridge saw them last. What it calls synced has met its gate. */
function viewedVms(views: readonly GroupView[]): Seen {
  return Object.fromEntries(
    views.flatMap(({ metadata: { namespace }, status, phase }) =>
      status.members.flatMap(({ name, powerState, placement }) =>
        powerState === undefined
          ? []
          : [
              [
                `${namespace}/${name}`,
                { powerState, at: Date.now(), ready: phase === 'Converged', ...(placement && { placement }) },
              ] as const,
            ],
      ),
    ),
  );
}

/**
 * With what the simulator says of the same VMs in the same state, such as whether they are ready. A simulator at the address may be another
 * one than that of the bridge.
 */
function detailed(viewed: Seen, simulated: Seen): Seen {
  return Object.fromEntries(
    Object.entries(viewed).map(([name, status]) => {
      const known = own(simulated, name);
      return [name, known?.powerState === status.powerState ? known : status];
    }),
  );
}

/** VMs as the simulated platform has them; none if it does not answer. */
async function simulatedVms(address: string): Promise<Seen> {
  const console = new (lazy.simulated().SimulatorConsole)(address);
  try {
    const standing = await console.list();
    return Object.fromEntries(
      standing.map(({ state: { vm, status } }) => [`${vm.namespace}/${vm.name}`, status] as const),
    );
  } catch {
    return {};
  } finally {
    console.close();
  }
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
