/** Options that `vmgroup import` has for every platform. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { platformsOption } from '../options';

/** Options of each `import`. */
export interface ImportOptions {
  /** Files and folders with Platform objects. */
  platforms?: string[];
  /** Name of the Platform; absent: the only one of its type. */
  platform?: string;
  /** Namespace of the manifests of VMs that have none. */
  into: string;
  /** Name of the group of the VMs that nothing starts in order. */
  group: string;
  /** Pattern of the names of VMs: `*` stands for any characters, `?` for one. */
  name?: string;
  /** Folder to write to; absent: standard output. */
  dir?: string;
}

/** RFC 1123 label, the form of a namespace's name. */
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** Adds the options of {@link ImportOptions}. */
export function withImport(command: Command): Command {
  return command
    .addOption(platformsOption())
    .option('--platform <name>', 'name of the Platform (default: the only one of this type)')
    .addOption(
      new Option('--into <namespace>', 'namespace of the manifests').argParser(parseLabel).default('default'),
    )
    .addOption(
      new Option('--group <name>', 'name of the group of the VMs that nothing starts in order')
        .argParser(parseLabel)
        .default('imported'),
    )
    .option('--name <pattern>', 'only VMs with such a name; * stands for any characters, ? for one')
    .option('--dir <folder>', 'write one file for each group into this folder; existing files are kept');
}

function parseLabel(text: string): string {
  if (LABEL.test(text)) return text;
  throw new InvalidArgumentError(
    `${JSON.stringify(text)} is not a valid name; write lower-case letters, digits and -`,
  );
}
