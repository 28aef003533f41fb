/** Checks of platforms that Platform objects describe. */
import type { PlatformObject, PlatformSettings } from '../../../api';
import { CliError } from '../../errors';
import { readPlatforms } from '../../runtime';
import type { CheckResult } from '../check-result';
import { checkKubevirt } from './kubevirt';
import { checkLibvirt } from './libvirt';
import type { ClusterDoctorOptions } from '../options';
import { checkVsphere } from './vsphere';

/** Types that have checks. */
const CHECKS: {
  [T in PlatformSettings['type']]?: (
    name: string,
    settings: Extract<PlatformSettings, { type: T }>,
    options: ClusterDoctorOptions,
  ) => Promise<CheckResult[]>;
} = {
  kubevirt: checkKubevirt,
  libvirt: checkLibvirt,
  vsphere: checkVsphere,
};

/**
 * Checks the platform of a name, or all of a type. Without a Platform, `kubevirt` is the cluster that the options name, or that kubectl finds.
 *
 * @throws CliError if there is none, or its type has no checks.
 */
export async function checkPlatforms(
  wanted: string,
  paths: readonly string[],
  options: ClusterDoctorOptions = {},
): Promise<CheckResult[]> {
  const { kubeconfig, context } = options;
  if (wanted === 'kubevirt' && paths.length === 0) {
    const where = {
      ...(kubeconfig !== undefined && { kubeconfig }),
      ...(context !== undefined && { context }),
    };
    return checkKubevirt(wanted, { type: 'kubevirt', ...where }, options);
  }
  const described = await readPlatforms(paths);
  const named = described.filter(({ name, settings }) => name === wanted || settings.type === wanted);
  if (named.length === 0)
    throw new CliError(`there is no Platform of the name or type ${wanted}`, [
      'describe it in a file, and name that: --platforms FILE; see docs/reference/resources.md (Platform)',
    ]);
  const results: CheckResult[] = [];
  for (const platform of named) results.push(...(await checksOf(platform, options)));
  return results;
}

async function checksOf(
  { name, settings }: PlatformObject,
  options: ClusterDoctorOptions,
): Promise<CheckResult[]> {
  const check = CHECKS[settings.type] as
    | ((name: string, settings: PlatformSettings, options: ClusterDoctorOptions) => Promise<CheckResult[]>)
    | undefined;
  if (check) return check(name, settings, options);
  throw new CliError(`platforms of type ${settings.type} have no checks of their own`, [
    'check the rest of the set-up: vmgroup doctor',
  ]);
}
