/** `up`: everything embedded in one go. */
import type { Command } from 'commander';
import { outputOption } from '../output/output';
import { withData } from '../connections/temporal';
import { up } from './up';

/** Options of `up`. */
export interface UpOptions {
  data: string;
  output: 'table' | 'json';
  temporal?: string;
  namespace?: string;
  exitWhenConverged?: true;
  open?: true;
}

/** Adds the command. */
export function registerUp(program: Command): void {
  withData(
    program
      .command('up')
      .description(
        'everything in one go: Temporal server with UI, worker, bridge on the manifests, simulated platform',
      )
      .argument('[path...]', 'files and folders of manifests; default: the current folder'),
  )
    .option('--exit-when-converged', 'end once no group has anything left to do')
    .addOption(outputOption(['table', 'json']).default('table', 'for people'))
    .option('--temporal <host:port>', 'use this Temporal server instead of one of its own')
    .option('--namespace <name>', 'Temporal namespace, with --temporal')
    .option('--open', 'open the Temporal UI in the browser')
    .addHelpText(
      'after',
      `
Ctrl-C stops everything; runs go on where they were with the next vmgroup up on the same data.

Exit codes with --exit-when-converged:
  0  every group converged          2  converged, but for members that were left as they are
  1  a run failed or was stopped, or a manifest is wrong`,
    )
    .action((paths: string[], options: UpOptions) => up(paths.length === 0 ? ['.'] : paths, options));
}
