/** What runs now: desired state, VMs and runs, from a data folder or a cluster, along with the changed manifests. */
import type { Manifests, VirtualMachine, VirtualMachineStatus } from '../../api';
import { formatProblem } from '../../api';
import type { GroupView } from '../../bridge';
import type { PlatformNames } from '../../platforms';
import { CliError } from '../errors';
import { readManifests } from '../manifests';
import type { PlatformOptions, RecordOptions, SourceOptions, TemporalOptions } from '../options';
import { printNote } from '../output';
import type { Placer } from '../plan';

/** Where things are. */
export type RunningOptions = SourceOptions & PlatformOptions & TemporalOptions & RecordOptions;

/** Both states, and what is observed. */
export interface Running {
  before: Manifests;
  after: Manifests;
  /** Which platform each VM is on, before and after. */
  names: Record<'before' | 'after', PlatformNames | undefined>;
  observe: (vm: VirtualMachine) => VirtualMachineStatus | undefined;
  placesAhead: boolean;
  /** Where the default platform would place VMs. */
  place: Placer;
  views: readonly GroupView[];
}

/**
 * The changed manifests. Their problems are written to standard error.
 *
 * @throws CliError if they are invalid or cannot be read.
 */
export async function readChanged(paths: string[]): Promise<Manifests> {
  const parsed = await readManifests(paths, { streams: true });
  for (const problem of parsed.problems) printNote(formatProblem(problem));
  if (parsed.problems.some(({ severity }) => severity === 'Error'))
    throw new CliError('the changed manifests are not valid', ['list the problems: vmgroup validate PATH']);
  return parsed.manifests;
}
