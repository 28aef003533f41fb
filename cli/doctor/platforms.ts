/** Checks of platforms that Platform objects describe. */
import type { PlatformObject, PlatformSettings } from '../../api';
import { CliError } from '../errors';
import { readPlatforms } from '../runtime';
import type { CheckResult } from './check-result';
import { checkVsphere } from './vsphere';

/** Types that have checks. */
const CHECKS: {
  [T in PlatformSettings['type']]?: (
    name: string,
    settings: Extract<PlatformSettings, { type: T }>,
  ) => Promise<CheckResult[]>;
} = {
  vsphere: checkVsphere,
};

/**
 * Checks the platform of a name, or all of a type.
 *
 * @throws CliError if there is none, or its type has no checks.
 */
export async function checkPlatforms(wanted: string, paths: readonly string[]): Promise<CheckResult[]> {
  const described = await readPlatforms(paths);
  const named = described.filter(({ name, settings }) => name === wanted || settings.type === wanted);
  if (named.length === 0)
    throw new CliError(`there is no Platform of the name or type ${wanted}`, [
      'describe it in a file, and name that: --platforms FILE; see docs/reference/resources.md (Platform)',
    ]);
  const results: CheckResult[] = [];
  for (const platform of named) results.push(...(await checksOf(platform)));
  return results;
}

async function checksOf({ name, settings }: PlatformObject): Promise<CheckResult[]> {
  const check = CHECKS[settings.type] as
    ((name: string, settings: PlatformSettings) => Promise<CheckResult[]>) | undefined;
  if (check) return check(name, settings);
  throw new CliError(`platforms of type ${settings.type} have no checks of their own`, [
    'check the rest of the set-up: vmgroup doctor',
  ]);
}
