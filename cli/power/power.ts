/** `vmgroup power`: writes the desired power state where it belongs. */
import { randomUUID } from 'node:crypto';
import { readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { PowerState } from '../../api';
import { decodeText, editPowerState, formatProblem, parseManifests } from '../../api';
import type { ManifestFile } from '../../bridge/source';
import { askForRun } from '../new-run/ask-for-run';
import { isOnCluster } from '../connections/cluster';
import { setPowerOnCluster } from '../new-run/cluster';
import type { PowerOptions } from '../commands/manifests';
import type { GroupName } from '../get';
import { dataFolder, readRecord, readLiveRecord } from '../data-folder/data-folder';
import { CliError, messageOf } from '../errors';
import { WANTS_ASKING } from '../groups/group-text';
import * as lazy from '../lazy';
import { readManifestFiles } from '../manifests/files';

/**
 * Edits the manifest of a group, or its object on a cluster; where it says so already and the last run was stopped, asks for a new run.
 *
 * @throws CliError when no manifest has the group, or several have, or the API server refuses.
 */
export async function setPower(
  group: GroupName,
  powerState: PowerState,
  options: PowerOptions,
): Promise<void> {
  if (isOnCluster(options)) return setPowerOnCluster(group, powerState, options);
  const name = `${group.namespace}/${group.name}`;
  const { file, text, edited } = await findManifest(group, powerState, options);
  if (edited !== text) {
    await replaceFile(file, text, edited);
    process.stdout.write(`${name}: spec.powerState is now ${powerState} in ${file}\n`);
    if (!readLiveRecord(dataFolder(options.data)))
      process.stderr.write(
        'note: neither vmgroup up nor serve runs here, so nothing happens before one does\n',
      );
    return;
  }
  const [view] = (await lazy.bridge().readViews(dataFolder(options.data).status)).filter(
    ({ metadata }) => metadata.namespace === group.namespace && metadata.name === group.name,
  );
  if (view && readLiveRecord(dataFolder(options.data)) && WANTS_ASKING.has(view.phase)) {
    process.stdout.write(`${await askForRun(group, options)}\n`);
    return;
  }
  process.stdout.write(`${name}: spec.powerState is ${powerState} already in ${file}\n`);
}

async function findManifest(
  group: GroupName,
  powerState: PowerState,
  options: PowerOptions,
): Promise<{ file: string; text: string; edited: string }> {
  const paths = options.path ?? readRecord(dataFolder(options.data))?.manifests;
  const name = `${group.namespace}/${group.name}`;
  if (!paths || paths.length === 0) {
    throw new CliError(
      `where is the manifest of ${name}? vmgroup up has never run on ${dataFolder(options.data).dir}`,
      ['name its file or folder: --path PATH'],
    );
  }
  const found = await readManifestFiles(paths);
  const files = found.files.filter((file) => has(file, group));
  const [only, second] = files;
  const [unread] = found.problems;
  if (!only && unread) throw new CliError(formatProblem(unread));
  if (!only) {
    throw new CliError(`no manifest in ${paths.join(', ')} has a VirtualMachineGroup ${name}`, [
      'groups that are known: vmgroup get groups',
      'or name another file or folder: --path PATH',
    ]);
  }
  if (second)
    throw new CliError(`${name} is in ${files.map((file) => file.path).join(' and ')}`, [
      'leave one of them',
    ]);
  try {
    return { file: only.path, text: only.text, edited: editPowerState(only.text, group, powerState) };
  } catch (error: unknown) {
    throw new CliError(`${only.path}: ${messageOf(error)}`, [
      `see what is wrong: vmgroup validate ${only.path}`,
    ]);
  }
}

/** Whether a file has the group, valid or not. */
function has(file: ManifestFile, { namespace, name }: GroupName): boolean {
  const { manifests, problems } = parseManifests([file]);
  const named = (object: { namespace: string; name: string }) =>
    object.namespace === namespace && object.name === name;
  return (
    manifests.groups.some(named) ||
    problems.some(({ object }) => object?.kind === 'VirtualMachineGroup' && named(object))
  );
}

/** Whole or not at all, with the same rights: whoever watches must not read half of it. A link stays what it points to. */
async function replaceFile(file: string, before: string, after: string): Promise<void> {
  const real = await realpath(file);
  const draft = path.join(path.dirname(real), `.${path.basename(real)}.${randomUUID()}`);
  try {
    await writeFile(draft, after, { mode: (await stat(real)).mode });
    const bytes = await readFile(real);
    const current = decodeText(bytes);
    if (current === before && !Buffer.from(before).equals(bytes))
      throw new CliError(`${file} is not written in UTF-8; nothing was changed`, ['save it as UTF-8 first']);
    if (current !== before)
      throw new CliError(`somebody else is changing ${file} right now; nothing was written`, ['try again']);
    await rename(draft, real);
  } finally {
    await rm(draft, { force: true });
  }
}
