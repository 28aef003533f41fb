/** What runs on a data folder, or ran when its process stopped. */
import { formatProblem, own, type Manifests, type VirtualMachineStatus } from '../../api';
import type { GroupView } from '../../bridge';
import { loadLastValid } from '../../bridge/source';
import type { PlatformVm } from '../../platforms/simulated';
import { dataFolder, readRecord, type DataFolder, type UpRecord } from '../data-folder';
import { CliError, messageOf } from '../errors';
import { loadViews, noteIfStale } from '../groups';
import { readManifests } from '../manifests';
import { printNote } from '../output';
import { described, placerOfType, platformViews, unknownPlacement, type Placer } from '../plan';
import { memberPlatforms, recordedPlatform } from '../runtime';
import { overlaid } from './overlaid';
import { readChanged, type Running, type RunningOptions } from './running';

/**
 * Reads it.
 *
 * @param paths The changed manifests; none: those that the process watches, as they are now.
 * @throws CliError if the manifests are invalid or cannot be read, or nothing ever ran on the data folder.
 */
export async function readFolder(paths: string[], options: RunningOptions): Promise<Running> {
  const folder = dataFolder(options.data);
  const record = readRecord(folder);
  if (!record)
    throw new CliError(`nothing runs on the data folder ${options.data}, and nothing ever has`, [
      'name that of the running vmgroup up, serve or bridge: --data DIR',
      'or plan without a running state: vmgroup plan PATH',
      'or compare with a cluster: --source kubernetes',
    ]);
  const after = await readChanged(paths.length > 0 ? paths : record.manifests);
  const before = await inForce(folder, record);
  const views = await loadViews(undefined, options, 'none').catch(() => []);
  noteIfStale(views, options);
  const recorded = recordedPlatform(options, record.manifests);
  const choice = { ...options, ...(recorded && { recorded }) };
  const names = {
    before: await memberPlatforms(before, choice),
    after: await memberPlatforms(after, choice),
  };
  const simulator = options.simulator ?? record.simulator?.address;
  const simulated = simulator === undefined ? NO_SIMULATOR : await simulatedVms(simulator);
  const { describedStates, observedBy } = described();
  const states = await describedStates(overlaid(before, after).virtualMachines, names.after);
  const seen = detailed(viewedVms(views), simulated.seen);
  return {
    before,
    after,
    names,
    views,
    placesAhead: false,
    observe: observedBy(states, ({ namespace, name }) => own(seen, `${namespace}/${name}`)),
    place: placerOfType(names.after?.typeOf({ namespace: '' })) ?? simulated.place,
  };
}

/** The manifests in force for the process: of an object that is not valid now, its last valid form. */
async function inForce(folder: DataFolder, { manifests: paths }: UpRecord): Promise<Manifests> {
  const { manifests, files } = await loadLastValid(folder.lastValid);
  if (Object.keys(files).length > 0) return manifests;
  const parsed = await readManifests(paths);
  for (const problem of parsed.problems) printNote(formatProblem(problem));
  return parsed.manifests;
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

/** What the simulated platform has, and where it would place others. */
interface Simulated {
  seen: Seen;
  place: Placer;
}

const NO_SIMULATOR: Simulated = {
  seen: {},
  place: () => unknownPlacement('the default platform is not known: name it, by --platform or --simulator'),
};

/** VMs as the simulated platform has them; none if it does not answer. */
async function simulatedVms(address: string): Promise<Simulated> {
  try {
    const { standing, place } = await platformViews().readSimulator(address);
    return { seen: Object.fromEntries(standing.map(statusOf)), place };
  } catch (error: unknown) {
    const message = messageOf(error);
    return { seen: {}, place: () => unknownPlacement(message) };
  }
}

function statusOf({ state: { vm, status } }: PlatformVm): [string, VirtualMachineStatus] {
  return [`${vm.namespace}/${vm.name}`, status];
}
