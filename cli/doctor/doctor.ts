/** `vmgroup doctor`: checks every part of a set-up, and says what to do about problems. */
import { CliError, EXIT } from '../errors';
import { print, table } from '../output';
import type { CheckResult } from './check-result';
import { checksCluster, checkCluster } from './cluster';
import { checkDataFolder, checkNode, checkTemporalTool } from './local';
import type { DoctorOptions } from './options';
import { checkPlatforms } from './platforms';
import { checkTemporal } from './temporal';

const CLUSTER_NOT_CHECKED: CheckResult = {
  check: 'cluster',
  result: 'note',
  message: 'not checked',
  cure: 'vmgroup doctor --for serve checks the cluster of the kubeconfig',
};

/**
 * Prints the results of all checks.
 *
 * @throws CliError (exit 1) if there is a problem.
 */
export async function doctor(options: DoctorOptions): Promise<void> {
  const results = [checkNode(), ...(await checksOf(options))];
  print(options.output, results, () => resultTable(results));
  const problems = results.filter(({ result }) => result === 'problem').length;
  if (problems > 0)
    throw new CliError(`${problems} of ${results.length} checks found a problem`, [], {
      exitCode: EXIT.failed,
    });
}

async function checksOf(options: DoctorOptions): Promise<CheckResult[]> {
  const { platform, platforms = [] } = options;
  if (platform !== undefined) return checkPlatforms(platform, platforms, options);
  // A process on a cluster has no data folder, and starts no Temporal server of its own.
  if (checksCluster(options)) return [...(await checkCluster(options)), ...(await checkTemporal(options))];
  return [
    await checkTemporalTool(),
    checkDataFolder(options.data),
    ...(await checkTemporal(options)),
    CLUSTER_NOT_CHECKED,
  ];
}

function resultTable(results: CheckResult[]): string {
  const lines = table<CheckResult>(
    [
      { head: 'CHECK', of: ({ check }) => check },
      { head: 'RESULT', of: ({ result }) => result },
      { head: 'FOUND', prose: true, of: ({ message }) => message },
    ],
    results,
  );
  const cures = results.flatMap(({ check, cure }) => (cure === undefined ? [] : [`  → ${check}: ${cure}`]));
  return cures.length === 0 ? lines : `${lines}\n${cures.join('\n')}\n`;
}
