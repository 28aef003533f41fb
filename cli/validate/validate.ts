/** `vmgroup validate`. */
import type { IgnoredKind, Manifests, Problem } from '../../api';
import { formatProblem } from '../../api';
import { CliError, EXIT } from '../errors';
import {
  formatLiveProblem,
  readCluster,
  readManifests,
  shortfallWarnings,
  usesFiles,
  type ReadClusterOptions,
} from '../manifests';
import { memberPlatforms } from '../runtime';
import { counted, jsonText, printData, printLine, printNote } from '../output';

/** Options of `validate`. */
export interface ValidateOptions extends ReadClusterOptions {
  output: 'table' | 'json';
  /** Name or type of the platform that VMs are on if nothing says otherwise; absent: what it lacks is not checked. */
  platform?: string;
  /** Files and folders with Platform objects. */
  platforms?: string[];
}

/** Most kinds of ignored objects that are listed. */
const MOST_KINDS = 10;

/**
 * Prints every problem of the manifests, or of the objects of a cluster.
 *
 * @throws CliError (exit 1) if one of them is an error.
 */
export async function validate(paths: string[], options: ValidateOptions): Promise<void> {
  if (usesFiles('validate', paths, options)) {
    const { manifests, problems, ignored, files } = await readManifests(paths, { streams: true });
    const names = await memberPlatforms(manifests, options);
    const all = [...problems, ...shortfallWarnings({ manifests, names })];
    printProblems(
      all,
      (problem) => (problem.file === '' ? formatLiveProblem(problem) : formatProblem(problem)),
      options.output,
    );
    try {
      summarize(manifests, problems, counted(files, 'file'));
    } finally {
      if (ignored.length > 0) printNote(`ignored objects of other kinds: ${listKinds(ignored)}`);
    }
    return;
  }
  const { manifests, problems, count } = await readCluster(options);
  const names = await memberPlatforms(manifests, options);
  const all = [...problems, ...shortfallWarnings({ manifests, names })];
  printProblems(all, formatLiveProblem, options.output);
  summarize(manifests, problems, counted(count, 'object'));
}

function printProblems(
  problems: Problem[],
  format: (problem: Problem) => string,
  output: ValidateOptions['output'],
): void {
  if (output === 'json') printData(`${jsonText(problems, 2)}\n`);
  else for (const problem of problems) printLine(format(problem));
}

/** @throws CliError (exit 1) if a problem is an error. */
function summarize({ groups, virtualMachines }: Manifests, problems: Problem[], where: string): void {
  const errors = problems.filter(({ severity }) => severity === 'Error').length;
  if (errors > 0) {
    throw new CliError(
      `${counted(errors, 'error')} in ${where}`,
      ['objects with errors are not used; the others are'],
      { exitCode: EXIT.failed },
    );
  }
  printNote(
    `${where}: ${counted(groups.length, 'group')} and ${counted(virtualMachines.length, 'VM')}, no errors`,
  );
}

/** `Deployment (apps/v1), 2 ConfigMap (v1)`. */
function listKinds(ignored: readonly IgnoredKind[]): string {
  const kinds = ignored.map(({ apiVersion, kind, count }) => {
    const times = count === 1 ? '' : `${count} `;
    return apiVersion === '' ? `${times}${kind}` : `${times}${kind} (${apiVersion})`;
  });
  const shown = kinds.slice(0, MOST_KINDS).join(', ');
  const more = kinds.length - MOST_KINDS;
  return shown + (more > 0 ? ` and ${counted(more, 'more kind')}` : '');
}
