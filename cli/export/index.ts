/** `export` and `replay`: the history of a run as a file, and whether this build still runs it the same way. */
import type { Command } from 'commander';
import { exportRun } from './export';
import { replayFiles } from './replay';
import { withReach } from '../connections/temporal';
import type { ReachOptions } from '../connections/temporal';

/** Options of `export`. */
export interface ExportOptions extends ReachOptions {
  output?: string;
}

/** Adds the commands. */
export function registerRuns(program: Command): void {
  withReach(
    program
      .command('export')
      .description('write the history of a run and its record (who, when, what)')
      .argument('<run>', 'NAMESPACE/NAME for the last run of a group, or WORKFLOW-ID[/RUN-ID]'),
  )
    .option(
      '-o, --output <file>',
      'write the file and print the record; without it the JSON goes to standard output',
    )
    .action((run: string, options: ExportOptions) => exportRun(run, options));
  program
    .command('replay')
    .description('replay exported histories against this build; exit 1 where one differs')
    .argument('<file...>', 'files of vmgroup export, temporal workflow show -o json or the UI')
    .action((files: string[]) => replayFiles(files));
}
