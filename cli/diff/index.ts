/** `vmgroup diff`: its options. */
import { Option, type Command } from 'commander';
import { modeOption, outputOption, parseObjectName, platformsOption, withData, withSource } from '../options';
import type * as Diff from './diff';

const action = (): typeof Diff => require('./diff') as typeof Diff;

/** Adds the command. */
export function registerDiff(program: Command): void {
  withSource(
    withData(
      program
        .command('diff')
        .description(
          'what a change of manifests would do now: which VMs it would touch, in which order, and when',
        ),
    ),
  )
    .argument('<path...>', 'files and folders with the changed manifests; - for standard input')
    .option('--group <ns/name>', 'only the run of this group', parseObjectName)
    .addOption(
      new Option('--platform <name>', 'name or type of the default platform, as for plan').env(
        'VMGROUP_PLATFORM',
      ),
    )
    .addOption(platformsOption())
    .addOption(modeOption())
    .addOption(new Option('--simulator <address>', 'address of vmgroup simulator').env('VMGROUP_SIMULATOR'))
    .addOption(outputOption(['table', 'json']))
    .addHelpText(
      'after',
      `
In a folder the manifests are compared with those of the running vmgroup up, serve or bridge, and stand for all of them; on a cluster they
stand for the objects of the same names. Nothing is changed.`,
    )
    .action((paths: string[], options: Diff.DiffOptions) => action().diff(paths, options));
}
