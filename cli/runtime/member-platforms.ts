/** The platform of each member, for commands that open none: resolved as the bridge resolves it. */
import type { Manifests, PlatformObject } from '../../api';
import type { PlatformNames } from '../../platforms';
import type { RecordedPlatform } from '../data-folder';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { readManifests } from '../manifests';
import { readPlatforms } from './platforms';

/** What decides on the platforms, besides manifests. */
export interface PlatformChoice {
  /** Name or type of the default one; absent: that of `recorded`, otherwise it is not known. */
  platform?: string;
  /** Files and folders with further Platform objects. */
  platforms?: readonly string[];
  /** With which a process runs. */
  recorded?: RecordedPlatform;
}

/**
 * Which platform each VM of some manifests is on; undefined: nothing is known of any, and nothing was loaded for that.
 *
 * @throws CliError if there is no such platform, a file cannot be read, or two platforms have the same name or namespace.
 */
export async function memberPlatforms(
  { platforms: among }: Pick<Manifests, 'platforms'>,
  { recorded, platform = recorded?.name, platforms: paths = [] }: PlatformChoice,
): Promise<PlatformNames | undefined> {
  const named = [...among, ...(await readPlatforms(paths))];
  const platforms = [...named, ...(recorded ? besides(await platformsIn(recorded.files), named) : [])];
  if (platform === undefined && platforms.length === 0) return undefined;
  const { PLATFORM_TYPES, platformNames } = lazy.platforms();
  const type = PLATFORM_TYPES.find((each) => each === platform);
  if (platform !== undefined && type === undefined && !platforms.some(({ name }) => name === platform))
    throw new CliError(`there is no platform ${platform}`, [
      `name one of ${[...platforms.map(({ name }) => name), ...PLATFORM_TYPES].join(', ')}`,
    ]);
  try {
    return platformNames(platforms, platform, type);
  } catch (error: unknown) {
    throw new CliError(messageOf(error), []);
  }
}

/** The Platform objects among files that may have changed since a process read them: what is no longer valid is left out. */
async function platformsIn(files: readonly string[]): Promise<PlatformObject[]> {
  if (files.length === 0) return [];
  return readManifests([...files]).then(
    ({ manifests }) => manifests.platforms,
    () => [],
  );
}

/** Platforms without those that are described again, and without the namespaces that others were given. */
function besides(platforms: readonly PlatformObject[], named: readonly PlatformObject[]): PlatformObject[] {
  const given = new Set(named.flatMap(({ namespaces }) => namespaces));
  return platforms
    .filter(({ name }) => !named.some((each) => each.name === name))
    .map((each) => ({ ...each, namespaces: each.namespaces.filter((namespace) => !given.has(namespace)) }));
}
