/** Groups of the last process on the same data that are not among the manifests of now. The bridge forgets them, and stops their runs. */
import path from 'node:path';
import type { ObjectName, ParsedManifests } from '../../api';
import { listed } from '../../api/text';
import type { GroupView } from '../../bridge';
import { objectKey } from '../../bridge/manifests';
import type { UpRecord } from '../data-folder';
import { CliError } from '../errors';
import { groupName } from '../groups';
import { quoted } from '../options';

/** Names in one message. */
const NAMED = 5;

/** Whether the files and folders are those of the last process on the data. */
export function areSameManifests(paths: readonly string[], last: Pick<UpRecord, 'manifests'>): boolean {
  return paths.map((given) => path.resolve(given)).join() === last.manifests.join();
}

/**
 * Names the groups that other manifests than those of the last process leave out.
 *
 * @param views of the last process. @returns a note; undefined: none is left out.
 * @throws CliError if a run of one of them is open.
 */
export function replacedGroups(
  paths: readonly string[],
  last: Pick<UpRecord, 'command' | 'manifests'> & { data: string },
  parsed: Pick<ParsedManifests, 'manifests' | 'problems'>,
  views: readonly GroupView[],
): string | undefined {
  const kept = new Set(namesIn(parsed).map(objectKey));
  const left = views.filter(({ metadata }) => !kept.has(objectKey(metadata)));
  if (left.length === 0) return undefined;
  const starter = `the last vmgroup ${last.command} on ${last.data}`;
  const before = last.manifests.map((file) => quoted(shortPath(file))).join(' ');
  const open = left.filter(({ run }) => run !== undefined && run.endedAt === undefined);
  if (open.length > 0) {
    throw new CliError(
      `${starter} had other manifests, and runs of their groups are open: ${named(open)}; starting without them would stop these runs`,
      [
        `continue both: vmgroup up ${before} ${paths.map(quoted).join(' ')}`,
        'or leave them as they are, and use another data folder: --data DIR',
        `or end them first, by vmgroup abort GROUP while this runs: vmgroup up ${before}`,
      ],
    );
  }
  return `${starter} had other manifests (${before}), whose groups are no longer managed: ${named(left)}; --data DIR keeps both apart`;
}

/** Groups among the manifests, those with errors included: their last valid form stays in force. */
function namesIn({ manifests, problems }: Pick<ParsedManifests, 'manifests' | 'problems'>): ObjectName[] {
  const invalid = problems.flatMap(({ object }) => (object?.kind === 'VirtualMachineGroup' ? [object] : []));
  return [...manifests.groups, ...invalid];
}

/** From the current folder where the file is in it. */
function shortPath(file: string): string {
  const relative = path.relative('', file);
  return relative.startsWith('..') ? file : relative || '.';
}

function named(views: readonly GroupView[]): string {
  return listed(views.map(groupName), NAMED);
}
