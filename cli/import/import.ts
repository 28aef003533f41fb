/** What every `vmgroup import` does: finds the Platform, has its VMs read, and writes manifests. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PlatformObject, PlatformSettings } from '../../api';
import { firstFew } from '../../api';
import type { ExistingInventory, ExistingVm } from '../../platforms';
import { CliError, messageOf } from '../errors';
import { counted, printData, printError } from '../output';
import { readPlatforms } from '../runtime';
import { manifestsFrom, type Imported } from './manifests';
import { fits } from './names';
import type { ImportOptions } from './options';

/** A type of platform that has settings of its own. */
type SettingsOf<T extends PlatformSettings['type']> = Extract<PlatformSettings, { type: T }>;

/** What was read, and which VMs of it the platform's own options select. */
export interface Reading {
  inventory: ExistingInventory;
  selected: (vm: ExistingVm) => boolean;
}

/** A platform to import from. */
interface Source<T extends PlatformSettings['type']> {
  name: string;
  settings: SettingsOf<T>;
}

/** Notes that are printed. */
const MAX_NOTES = 50;

/**
 * Imports from the Platform that the options name.
 *
 * @param read reads the platform; rejects with a {@link CliError}.
 * @throws CliError if there is no such Platform, no VM is selected, or a file exists already.
 */
export async function importFrom<T extends PlatformSettings['type']>(
  type: T,
  options: ImportOptions,
  read: (settings: SettingsOf<T>) => Promise<Reading>,
): Promise<void> {
  const { name, settings } = choose(await readPlatforms(options.platforms ?? []), type, options);
  await importOf({ name, settings: settings as SettingsOf<T> }, options, read);
}

/** Imports from one platform. Throws as {@link importFrom}. */
export async function importOf<T extends PlatformSettings['type']>(
  platform: Source<T>,
  options: ImportOptions,
  read: (settings: SettingsOf<T>) => Promise<Reading>,
): Promise<void> {
  const { inventory, selected } = await read(platform.settings);
  const { name: pattern } = options;
  const imported = manifestsFrom(inventory, {
    platform: platform.name,
    namespace: options.into,
    group: options.group,
    selected: (vm) => selected(vm) && (pattern === undefined || fits(vm.name, pattern)),
  });
  if (imported.vms === 0)
    throw new CliError(`none of the ${counted(inventory.vms.length, 'VM')} of ${platform.name} is selected`, [
      'select others: vmgroup import --help lists what selects VMs',
    ]);
  if (options.dir === undefined) printData(imported.files.map(({ text }) => text).join('---\n'));
  else write(imported, options.dir);
  printError(summary(imported, options));
}

function choose(
  platforms: readonly PlatformObject[],
  type: PlatformSettings['type'],
  { platform: name }: ImportOptions,
): PlatformObject {
  const fitting = platforms.filter(({ settings }) => settings.type === type);
  const named = name === undefined ? fitting : fitting.filter((each) => each.name === name);
  const [only, ...others] = named;
  if (only && others.length === 0) return only;
  if (only) {
    throw new CliError(`there are ${named.length} Platforms of type ${type}`, [
      `name one: --platform ${named.map((each) => each.name).join(' or --platform ')}`,
    ]);
  }
  const which = name === undefined ? '' : ` ${name}`;
  throw new CliError(`there is no Platform${which} of type ${type}`, [
    'describe it in a file, and name that: --platforms FILE; see docs/reference/resources.md (Platform)',
  ]);
}

/** Writes all files, or none. */
function write({ files }: Imported, dir: string): void {
  const targets = files.map(({ name, text }) => ({ file: path.join(dir, name), text }));
  const existing = targets.filter(({ file }) => existsSync(file)).map(({ file }) => file);
  if (existing.length > 0) throw refusal(existing);
  try {
    mkdirSync(dir, { recursive: true });
    for (const { file, text } of targets) writeFileSync(file, text, { flag: 'wx' });
  } catch (error: unknown) {
    throw new CliError(`failed to write manifests to ${dir}: ${messageOf(error)}`, [
      'choose another --dir FOLDER, or omit it to print them',
    ]);
  }
}

function refusal(existing: readonly string[]): CliError {
  const shown = firstFew(existing, 5).join(', ');
  return new CliError(`${shown} exists already; nothing was written`, [
    'choose another --dir FOLDER, or move the files away',
  ]);
}

function summary({ groups, vms, files, notes }: Imported, { dir }: ImportOptions): string {
  const where = dir === undefined ? '' : ` in ${counted(files.length, 'file')} in ${dir}`;
  const lines = [`${counted(groups.length, 'group')} and ${counted(vms, 'VM')}${where}`];
  if (notes.length > 0)
    lines.push('not carried over:', ...firstFew(notes, MAX_NOTES).map((note) => `  ${note}`));
  if (dir !== undefined) lines.push(`  → check them: vmgroup validate ${dir}`);
  return `${lines.join('\n')}\n`;
}
