/** `vmgroup report`: its options. */
import type { Command } from 'commander';
import { parseObjectName, recordOption, withTemporal } from '../options';
import type * as Report from './report';

/** The action, which takes a while to load. */
export const reporting = (): typeof Report => require('./report') as typeof Report;

/** Adds the command. */
export function registerReport(program: Command): void {
  withTemporal(
    program
      .command('report')
      .description('write one HTML page of what a run did: times against targets, exceptions, who did what')
      .argument(
        '[run]',
        'NAMESPACE/NAME for the last run of a group, or WORKFLOW-ID[/RUN-ID]; with --bundle: default the last one in it',
      ),
  )
    .option('--root <group>', 'the last run of this group and of all groups below it', parseObjectName)
    .addOption(recordOption('runs that Temporal has deleted are read from this record'))
    .option('--bundle <file>', 'read a bundle of vmgroup export --record, and nothing else')
    .option('-o, --output <file>', 'write the page to a file (default: standard output)')
    .addHelpText(
      'after',
      `
The page needs no network. A run below another one is part of the page of the topmost run.`,
    )
    .action((run: string | undefined, options: Report.ReportOptions) =>
      reporting().writeReport(run, options),
    );
}
