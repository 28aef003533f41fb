/** `vmgroup up`: its options and help. */
import { Option, type Command } from 'commander';
import { outputOption, withData } from '../options';
import type * as Up from './up';

const action = (): typeof Up => require('./up') as typeof Up;

/** Adds the command. */
export function registerUp(program: Command): void {
  withData(
    program
      .command('up')
      .description(
        'start everything in one process: Temporal server with UI, worker, bridge on the manifests, simulated platform',
      )
      .argument('[path...]', 'files and folders of manifests; default: the current folder'),
  )
    .option('--exit-when-converged', 'exit when no group has anything left to do')
    .addOption(outputOption(['table', 'json']).default('table', 'for people'))
    .option('--temporal <host:port>', 'use this Temporal server instead of starting one')
    .option('--namespace <name>', 'Temporal namespace, with --temporal')
    .addOption(
      new Option(
        '--platform <name>',
        'platform of VMs that name none: simulated, or the name of a Platform among the manifests (default: that of the last vmgroup up on the same data and manifests, otherwise simulated)',
      ),
    )
    .option('--open', 'open the Temporal UI in the browser')
    .addHelpText(
      'after',
      `
Ctrl-C stops everything; the next vmgroup up on the same data continues the runs.

Exit codes with --exit-when-converged:
  0  every group converged          2  converged, except for members that were left as they are
  1  a run failed or was stopped, or a manifest is invalid`,
    )
    .action((paths: string[], options: Up.UpOptions) =>
      action().up(paths.length === 0 ? ['.'] : paths, options),
    );
}
