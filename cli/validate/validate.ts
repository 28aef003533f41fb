/** `vmgroup validate`. */
import type { IgnoredKind, Manifests, Problem } from '../../api';
import { formatProblem } from '../../api';
import { formatLiveProblem, readCluster } from '../manifests/cluster';
import type { ValidateOptions } from '../commands/manifests';
import { CliError, EXIT } from '../errors';
import { readManifests, usesFiles } from '../manifests/files';

/**
 * Prints every problem of the manifests, or of the objects of a cluster.
 *
 * @throws CliError (exit 1) when one of them is an error.
 */
export async function validate(paths: string[], options: ValidateOptions): Promise<void> {
  if (usesFiles('validate', paths, options)) {
    const { manifests, problems, ignored, files } = await readManifests(paths, { streams: true });
    tell(manifests, problems, counted(files, 'file'), formatProblem, options.output);
    if (ignored.length > 0)
      process.stderr.write(`ignored, since they are none of vmgroup's kinds: ${listKinds(ignored)}\n`);
    return;
  }
  const { manifests, problems, count } = await readCluster(options);
  tell(manifests, problems, counted(count, 'object'), formatLiveProblem, options.output);
}

function tell(
  { groups, virtualMachines }: Manifests,
  problems: Problem[],
  where: string,
  format: (problem: Problem) => string,
  output: ValidateOptions['output'],
): void {
  if (output === 'json') process.stdout.write(JSON.stringify(problems, undefined, 2) + '\n');
  else for (const problem of problems) process.stdout.write(format(problem) + '\n');
  const errors = problems.filter(({ severity }) => severity === 'Error').length;
  if (errors > 0) {
    throw new CliError(
      `${counted(errors, 'error')} in ${where}`,
      ['nothing of an object with an error is acted on; the others are'],
      { exitCode: EXIT.failed },
    );
  }
  process.stderr.write(
    `${where}: ${counted(groups.length, 'group')} and ${counted(virtualMachines.length, 'VM')}, no errors\n`,
  );
}

/** Most kinds that are listed. */
const LISTED_KINDS = 10;

/** `Deployment (apps/v1), 2 ConfigMap (v1)`. */
function listKinds(ignored: readonly IgnoredKind[]): string {
  const shown = ignored.slice(0, LISTED_KINDS).map(({ apiVersion, kind, count }) => {
    const times = count === 1 ? '' : `${count} `;
    return apiVersion === '' ? `${times}${kind}` : `${times}${kind} (${apiVersion})`;
  });
  const more = ignored.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${counted(more, 'more kind')}` : '');
}

/** `1 file`, `2 files`. */
function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
