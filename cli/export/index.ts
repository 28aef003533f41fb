/** `vmgroup export` and `replay`: their options. */
import type { Command } from 'commander';
import {
  namedRecord,
  parseObjectName,
  recordKeyOption,
  recordOption,
  sinceOption,
  withTemporal,
} from '../options';
import { CliError } from '../errors';
import type * as Bundle from './bundle';
import type * as Export from './export';
import type * as Replay from './replay';

const bundling = (): typeof Bundle => require('./bundle') as typeof Bundle;
const exporting = (): typeof Export => require('./export') as typeof Export;
const replaying = (): typeof Replay => require('./replay') as typeof Replay;

/** Adds the commands. */
export function registerExport(program: Command): void {
  withTemporal(
    program
      .command('export')
      .description(
        'write the history of a run and its record (who, when, what); with --record, a bundle of one or many runs',
      )
      .argument('[run]', 'NAMESPACE/NAME for the last run of a group, or WORKFLOW-ID[/RUN-ID]'),
  )
    .addOption(
      recordOption('write a bundle that vmgroup verify checks, of all runs that this record has of it'),
    )
    .addOption(recordKeyOption())
    .option('--root <group>', 'with --record: the runs of the whole tree below this group', parseObjectName)
    .addOption(sinceOption('with --record: runs with an event since: 2h, or a time'))
    .option(
      '-o, --output <format>',
      'json, csv (events) or html (the page of vmgroup report): print it; or a file, whose ending says the format (default: json)',
    )
    .action((run: string | undefined, options: Export.ExportOptions & Bundle.BundleOptions) => {
      if (namedRecord(options) !== undefined) return bundling().exportBundle(run, options);
      if (run !== undefined) return exporting().exportRun(run, options);
      throw new CliError('no run is named', [
        'name one: vmgroup export NAMESPACE/NAME',
        'or the record: --record WHERE',
      ]);
    });
  program
    .command('replay')
    .description('replay exported histories with this build; exit 1 if one takes other steps')
    .argument('<file...>', 'files of vmgroup export, temporal workflow show -o json or the UI')
    .action((files: string[]) => replaying().replayFiles(files));
}
