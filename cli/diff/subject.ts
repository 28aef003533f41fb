/** What a command line of `diff` names: changed manifests, and groups. A path that exists is a path. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { ObjectName } from '../../api';
import { CliError } from '../errors';
import { parseObjectName } from '../options';

/** What to compare, and what to show of it. */
export interface Subject {
  /** Files and folders; none: no other manifests than those of the source. */
  paths: string[];
  /** None: all groups. */
  groups: ObjectName[];
}

/**
 * Reads the arguments.
 *
 * @throws CliError if one is neither a path that exists nor written as a group.
 */
export function subjectOf(
  what: readonly string[],
  { filename = [], group = [] }: { filename?: readonly string[]; group?: readonly ObjectName[] },
): Subject {
  const subject: Subject = { paths: [...filename], groups: [...group] };
  for (const each of what) {
    if (each === '-' || existsSync(each)) subject.paths.push(each);
    else subject.groups.push(groupNamed(each));
  }
  return subject;
}

/** Names of groups have no capitals, and a path may end with a slash. */
const GROUP = /^[a-z0-9.-]+\/[a-z0-9.-]+$/;

function groupNamed(text: string): ObjectName {
  if (GROUP.test(text) && !text.startsWith('.')) return parseObjectName(text);
  throw new CliError(
    `${text} is neither a file or folder (looked for ${path.resolve(text)}) nor a group, which is written NAMESPACE/GROUP`,
    [
      'name a file or folder with the changed manifests: vmgroup diff PATH',
      'or a group, such as production/three-tier-app: vmgroup diff NAMESPACE/GROUP -f PATH',
    ],
  );
}

/** What was looked for under the name of a group, for an error. */
export function lookedFor(name: string, what: readonly string[]): string {
  return what.includes(name) ? `there is no file or folder ${path.resolve(name)}, and ` : '';
}
