/** The power state in the manifest of a group. */
import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { chmod, chown, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Group, ObjectName, PowerState } from '../../api';
import { decodeText, editPowerState, formatProblem, parseManifests } from '../../api';
import { driverOf, indexManifests, objectKey } from '../../bridge/manifests';
import type { ManifestFile } from '../../bridge/source';
import { dataFolder, readLiveRecord, readRecord } from '../data-folder';
import { CliError, messageOf } from '../errors';
import { needsNewRun } from '../groups';
import * as lazy from '../lazy';
import { readManifestFiles } from '../manifests';
import { requestNewRun } from '../new-run';
import { printLine, printNote } from '../output';
import type { PowerOptions } from './options';
import { outranked } from './outranked';

/**
 * Writes the power state into the manifest of a group, or requests a new run if it is there already and the last run stopped short of it.
 *
 * @throws CliError if no manifest has the group, or several have, a group above it outranks it, or the file cannot be changed.
 */
export async function setPowerInManifest(
  group: ObjectName,
  powerState: PowerState,
  options: PowerOptions,
): Promise<void> {
  const name = `${group.namespace}/${group.name}`;
  const { path: file, text, driver } = await findManifest(group, options);
  if (driver) {
    const effect = 'outranks it, so the change would have no effect';
    throw outranked(group, powerState, { above: driver, effect, removal: `in ${file}` });
  }
  const edited = editedText(file, text, group, powerState);
  const isLive = readLiveRecord(dataFolder(options.data)) !== undefined;
  if (edited !== text) {
    await replaceFile(file, text, edited);
    printLine(`${name}: spec.powerState is now ${powerState} in ${file}`);
    if (!isLive) printNote('note: this takes effect when vmgroup up or serve runs; neither runs here now');
  } else if (isLive && (await hasStoppedShort(group, options))) {
    printLine(`${await requestNewRun(group, options)}`);
  } else {
    printLine(`${name}: spec.powerState is ${powerState} already in ${file}`);
  }
}

async function hasStoppedShort({ namespace, name }: ObjectName, { data }: PowerOptions): Promise<boolean> {
  const views = await lazy.status().readViews(dataFolder(data).status);
  const view = views.find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
  return view !== undefined && needsNewRun(view.phase);
}

/** The manifest of the group; with the group above it whose power state counts, if there is one. */
async function findManifest(
  group: ObjectName,
  options: PowerOptions,
): Promise<ManifestFile & { driver: Group | undefined }> {
  const folder = dataFolder(options.data);
  const paths = options.path ?? readRecord(folder)?.manifests;
  const name = `${group.namespace}/${group.name}`;
  if (!paths || paths.length === 0) {
    throw new CliError(`the manifest of ${name} is unknown: vmgroup up has never run on ${folder.dir}`, [
      'name its file or folder: --path PATH',
    ]);
  }
  const { files, problems } = await readManifestFiles(paths);
  const [only, ...others] = files.filter((file) => hasGroup(file, group));
  const [unread] = problems;
  if (!only && unread) throw new CliError(formatProblem(unread));
  if (!only) {
    throw new CliError(`no manifest in ${paths.join(', ')} has a VirtualMachineGroup ${name}`, [
      'list the known groups: vmgroup get groups',
      'or name another file or folder: --path PATH',
    ]);
  }
  if (others.length > 0)
    throw new CliError(`${name} is in ${[only, ...others].map((file) => file.path).join(' and ')}`, [
      'keep one of them',
    ]);
  return { ...only, driver: driverAbove(group, files) };
}

function driverAbove(group: ObjectName, files: ManifestFile[]): Group | undefined {
  const index = indexManifests(parseManifests(files).manifests);
  const known = index.groups.get(objectKey(group));
  const driver = known && driverOf(index, known);
  return driver === known ? undefined : driver;
}

function editedText(file: string, text: string, group: ObjectName, powerState: PowerState): string {
  try {
    return editPowerState(text, group, powerState);
  } catch (error: unknown) {
    throw new CliError(`${file}: ${messageOf(error)}`, [`list the problems: vmgroup validate ${file}`]);
  }
}

/** Whether a file has the group, valid or not. */
function hasGroup(file: ManifestFile, { namespace, name }: ObjectName): boolean {
  const { manifests, problems } = parseManifests([file]);
  const isNamed = (object: ObjectName): boolean => object.namespace === namespace && object.name === name;
  return (
    manifests.groups.some(isNamed) ||
    problems.some(({ object }) => object?.kind === 'VirtualMachineGroup' && isNamed(object))
  );
}

/**
 * Replaces a file atomically: a bridge that watches it must not read half of it. Its permissions stay, and its owner and group if this user may
 * give files away: otherwise the bridge, or a colleague, could no longer read it. A symbolic link is kept.
 */
async function replaceFile(file: string, before: string, after: string): Promise<void> {
  const real = await realpath(file);
  const draft = path.join(path.dirname(real), `.${path.basename(real)}.${randomUUID()}`);
  try {
    await writeFile(draft, after, { mode: PRIVATE });
    await takeOver(draft, await stat(real));
    const bytes = await readFile(real);
    const current = decodeText(bytes);
    if (current === before && !Buffer.from(before).equals(bytes))
      throw new CliError(`${file} is not in UTF-8; nothing was changed`, ['save it as UTF-8 first']);
    if (current !== before)
      throw new CliError(`${file} was changed at the same time; nothing was written`, ['try again']);
    await rename(draft, real);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Permissions of a draft until it has those of the file. */
const PRIVATE = 0o600;

/** Owner first: a change of it may take permissions away. */
async function takeOver(draft: string, { mode, uid, gid }: Stats): Promise<void> {
  const isRefused = (): undefined => undefined;
  const { uid: own } = await stat(draft);
  await chown(draft, own, gid).catch(isRefused);
  if (uid !== own) await chown(draft, uid, gid).catch(isRefused);
  await chmod(draft, mode);
}
