/** `vmgroup diff`: its options. */
import { Option, type Command } from 'commander';
import type { ObjectName } from '../../api';
import {
  outputOption,
  parseObjectName,
  pastOption,
  withPlatforms,
  withSource,
  withTemporal,
} from '../options';
import type * as Diff from './diff';

const action = (): typeof Diff => require('./diff') as typeof Diff;

/** Adds the command. */
export function registerDiff(program: Command): void {
  const command = program
    .command('diff')
    .description(
      'what a change of manifests would do now: which VMs it would touch, in which order, and when',
    );
  withPlatforms(withSource(withTemporal(command)))
    .argument(
      '[what...]',
      'files and folders with the changed manifests (- for standard input), and NAMESPACE/GROUP of the groups to show; default: all groups',
    )
    .addOption(
      new Option(
        '-f, --filename <path>',
        'file or folder with changed manifests; may be given again',
      ).argParser((path: string, before: string[] = []) => [...before, path]),
    )
    .addOption(
      new Option('--group <ns/name>', 'show this group; may be given again').argParser(
        (text: string, before: ObjectName[] = []) => [...before, parseObjectName(text)],
      ),
    )
    .addOption(pastOption())
    .addOption(outputOption(['table', 'json']))
    .addHelpText(
      'after',
      `
An argument that exists as a file or folder names manifests; any other one names a group. Nothing is changed.

In a folder the changed manifests replace all those that vmgroup up, serve or bridge works with. Without any, the files that it watches are
compared as they are now. On a cluster they replace the objects of the same names. Without any, the steps that are due are shown.

  vmgroup diff changed-manifests
  vmgroup diff production/three-tier-app -f changed-manifests`,
    )
    .action((what: string[], options: Diff.DiffOptions) => action().diff(what, options));
}
