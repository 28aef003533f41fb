/** `vmgroup validate`. */
import { formatProblem } from '../api';
import { CliError, EXIT } from './errors';
import { readManifests } from './manifest-files';

/**
 * Prints every problem of the manifests.
 *
 * @throws CliError (exit 1) when one of them is an error.
 */
export async function validatePaths(
  paths: string[],
  { output }: { output: 'table' | 'json' },
): Promise<void> {
  const { manifests, problems, files } = await readManifests(paths);
  if (output === 'json') process.stdout.write(JSON.stringify(problems, undefined, 2) + '\n');
  else for (const problem of problems) process.stdout.write(formatProblem(problem) + '\n');
  const errors = problems.filter(({ severity }) => severity === 'Error').length;
  if (errors > 0) {
    throw new CliError(
      `${counted(errors, 'error')} in ${counted(files, 'file')}`,
      ['nothing of an object with an error is acted on; the others are'],
      { exitCode: EXIT.failed },
    );
  }
  const { groups, virtualMachines } = manifests;
  process.stderr.write(
    `${counted(files, 'file')}: ${counted(groups.length, 'group')} and ${counted(virtualMachines.length, 'VM')}, no errors\n`,
  );
}

/** `1 file`, `2 files`. */
function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
