/** `vmgroup record` and `verify`: their options. */
import { Argument, type Command } from 'commander';
import type { ObjectName } from '../../api';
import {
  outputOption,
  parseObjectName,
  recordKeyOption,
  recordOption,
  sinceOption,
  withData,
  withTemporal,
} from '../options';
import type * as Listing from './list';
import type * as Run from './run';
import type * as Verifying from './verify';

export { isDatabase, keptRecord, openReader, signerFrom } from './location';
export { readRecordedPast } from './past';
export { startRecording } from './recorder';

const listing = (): typeof Listing => require('./list') as typeof Listing;
const running = (): typeof Run => require('./run') as typeof Run;
const verifying = (): typeof Verifying => require('./verify') as typeof Verifying;

/** Adds the commands. */
export function registerRecord(program: Command): void {
  const record = program.command('record').description('the audit record of runs: list it, or write it');
  withData(record.command('list', { isDefault: true }))
    .description('list the events of runs, in the order of the record')
    .addArgument(new Argument('[group]', 'NAMESPACE/NAME; default: all').argParser(parseObjectName))
    .addOption(recordOption('the record (default: that of the data folder)'))
    .option('--root <group>', 'the runs of the whole tree below this group', parseObjectName)
    .addOption(sinceOption('runs with an event since: 2h, or a time'))
    .addOption(outputOption(['table', 'json', 'csv']))
    .action((group: ObjectName | undefined, options: Listing.RecordListOptions) =>
      listing().listRecord(group, options),
    );
  withTemporal(
    record.command('run').description('record runs until Ctrl-C, alongside bridges that keep no record'),
  )
    .addOption(recordOption('the record'))
    .addOption(recordKeyOption())
    .option('--once', 'record what is missing, and end')
    .action((options: Run.RecordRunOptions) => running().runRecorder(options));
  program
    .command('verify')
    .description(
      'check a bundle of vmgroup export --record, without any server; exit 1 if something does not match',
    )
    .argument('<file>', 'the bundle')
    .option(
      '--key <file>',
      'public Ed25519 keys, PEM, of those who signed it (default: signatures are not checked)',
    )
    .action((file: string, options: Verifying.VerifyOptions) => verifying().verifyFile(file, options));
}
