/** The platform of each member, for commands that open none: resolved as the bridge resolves it. */
import type { Manifests } from '../../api';
import type { PlatformNames } from '../../platforms';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { readPlatforms } from './platforms';

/** What decides on the platforms, besides manifests. */
export interface PlatformChoice {
  /** Name or type of the default one; absent: not known. */
  platform?: string;
  /** Files and folders with further Platform objects. */
  platforms?: readonly string[];
}

/**
 * Which platform each VM of some manifests is on; undefined: nothing is known of any, and nothing was loaded for that.
 *
 * @throws CliError if there is no such platform, a file cannot be read, or two platforms have the same name or namespace.
 */
export async function memberPlatforms(
  { platforms: among }: Pick<Manifests, 'platforms'>,
  { platform, platforms: paths = [] }: PlatformChoice,
): Promise<PlatformNames | undefined> {
  const platforms = [...among, ...(await readPlatforms(paths))];
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
