/** `vmgroup export` and `replay`: their options. */
import type { Command } from 'commander';
import { withTemporal } from '../options';
import type * as Export from './export';
import type * as Replay from './replay';

const exporting = (): typeof Export => require('./export') as typeof Export;
const replaying = (): typeof Replay => require('./replay') as typeof Replay;

/** Adds the commands. */
export function registerExport(program: Command): void {
  withTemporal(
    program
      .command('export')
      .description('write the history of a run and its record (who, when, what)')
      .argument('<run>', 'NAMESPACE/NAME for the last run of a group, or WORKFLOW-ID[/RUN-ID]'),
  )
    .option('-o, --output <file>', 'write the JSON to a file and print the record (default: print the JSON)')
    .action((run: string, options: Export.ExportOptions) => exporting().exportRun(run, options));
  program
    .command('replay')
    .description('replay exported histories with this build; exit 1 if one takes other steps')
    .argument('<file...>', 'files of vmgroup export, temporal workflow show -o json or the UI')
    .action((files: string[]) => replaying().replayFiles(files));
}
