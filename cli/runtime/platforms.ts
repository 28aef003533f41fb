/** The platforms of a process: the default one, and those that Platform objects describe. */
import type { Logger } from 'pino';
import type { ObjectName, PlatformObject } from '../../api';
import type { Observers } from '../../platforms';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { readManifests } from '../manifests';
import { openDescribedPlatform, type RunningPlatform } from './platform';

/** All platforms of a process. */
export interface RunningPlatforms {
  byDefault: RunningPlatform;
  /** By name. */
  others: ReadonlyMap<string, RunningPlatform>;
  observers: Observers;
  close(): Promise<void>;
}

/** Types of platforms that need no Platform object. */
const BUILT_IN = ['simulated', 'vm-operator', 'kubevirt'] as const;

/** Whether a name stands for a type of platform that needs no Platform object. */
function isBuiltIn(name: string): name is (typeof BUILT_IN)[number] {
  return (BUILT_IN as readonly string[]).includes(name);
}

/**
 * The Platform objects in some files and folders.
 *
 * @throws CliError if a file cannot be read, or a Platform in it is invalid.
 */
export async function readPlatforms(paths: readonly string[]): Promise<PlatformObject[]> {
  if (paths.length === 0) return [];
  const { manifests, problems } = await readManifests([...paths]);
  const wrong = problems.find(
    ({ severity, object }) => severity === 'Error' && (!object || object.kind === 'Platform'),
  );
  if (wrong) {
    throw new CliError(`${wrong.file}:${wrong.line}: ${wrong.path}: ${wrong.message}`, [
      'correct it: vmgroup would not know where those VMs are',
    ]);
  }
  if (manifests.platforms.length === 0)
    throw new CliError(`there is no Platform in ${paths.join(', ')}`, [
      'describe one: apiVersion vmgroup.dev/v1alpha1, kind Platform; see docs/reference/platforms.md',
    ]);
  return manifests.platforms;
}

/** Which platforms {@link openPlatforms} opens. */
export interface PlatformsChoice {
  /** Name of the default platform: a type that needs no Platform, or the name of one. */
  byDefault: string;
  platforms: readonly PlatformObject[];
  /** Opens a default platform of a type that needs no Platform. */
  openBuiltIn: (type: (typeof BUILT_IN)[number]) => RunningPlatform;
  /** The default platform is opened as this type, also if it is described. */
  opensDefault?: (typeof BUILT_IN)[number];
  /** VM Operator's own group controller acts on platforms of type `vm-operator`. */
  companion?: boolean;
  /** The process asks for no power operations. */
  watchOnly: boolean;
}

/**
 * Opens and watches platforms.
 *
 * @throws CliError if the default one is unknown, or two have the same name or namespace.
 */
export function openPlatforms(choice: PlatformsChoice, logger: Logger): RunningPlatforms {
  const { byDefault: name, platforms, openBuiltIn, opensDefault, watchOnly, companion = false } = choice;
  const names = namesOf(platforms, name);
  const described = platforms.find((platform) => platform.name === name);
  if (!described && !isBuiltIn(name)) throw unknownDefault(name, platforms);
  const open = ({ settings }: PlatformObject): RunningPlatform =>
    openDescribedPlatform(settings, { watchOnly, companion }, logger);
  const builtIn = opensDefault ?? (described ? undefined : (name as (typeof BUILT_IN)[number]));
  const byDefault =
    described && !builtIn ? open(described) : openBuiltIn(builtIn as (typeof BUILT_IN)[number]);
  const others = new Map(
    platforms.filter((platform) => platform !== described).map((platform) => [platform.name, open(platform)]),
  );
  const observers = new Map([...others].map(([other, { observer }]) => [other, observer]));
  return {
    byDefault,
    others,
    observers: { byDefault: byDefault.observer, others: observers, names },
    close: async () => {
      await Promise.all([byDefault, ...others.values()].map((platform) => platform.close()));
    },
  };
}

/** Notifies all platforms of a process that a group was deleted. */
export function forgetGroup(
  { byDefault, others }: Pick<RunningPlatforms, 'byDefault' | 'others'>,
  logger: Logger,
): (group: ObjectName) => void {
  return ({ namespace, name }) => {
    const caller = lazy.contract().workflowId(namespace, name);
    for (const { platform } of [byDefault, ...others.values()]) {
      platform.forget?.(caller, AbortSignal.timeout(FORGETTING)).catch((error: unknown) => {
        const group = `${namespace}/${name}`;
        logger.warn(
          { err: error, group, platform: platform.name },
          'failed to remove what a platform keeps for a deleted group',
        );
      });
    }
  };
}

/** Milliseconds in which a platform forgets a group. */
const FORGETTING = 60_000;

function namesOf(platforms: readonly PlatformObject[], byDefault: string): NonNullable<Observers['names']> {
  try {
    return lazy.platforms().platformNames(platforms, byDefault);
  } catch (error: unknown) {
    throw new CliError(messageOf(error), []);
  }
}

function unknownDefault(name: string, platforms: readonly PlatformObject[]): CliError {
  const known = [...platforms.map((platform) => platform.name), ...BUILT_IN];
  return new CliError(`there is no platform ${name}`, [
    `name one of ${known.join(', ')}`,
    'or describe it as a Platform, among the manifests of vmgroup up or in a file that --platforms names',
  ]);
}
