/** The command line of this process: runs its command, prints its error, sets its exit code. */
import { CommanderError } from 'commander';
import { CliError, EXIT, explain } from './errors';
import { printError, watchOutput } from './output/terminal';
import { buildProgram } from './program';

/** Runs the command. Its error is printed to standard error. */
export async function main(): Promise<void> {
  watchOutput(noteLostOutput);
  try {
    await buildProgram().parseAsync(process.argv);
  } catch (error: unknown) {
    process.exitCode = exitCodeOf(error);
    if (!(error instanceof CommanderError)) printError(explain(error, process.argv.slice(2)));
  }
}

/** OUTPUT-2. */
function noteLostOutput(why: string): void {
  process.exitCode = EXIT.failed;
  printError(explain(new CliError(`failed to write to standard output: ${why}`)));
}

function exitCodeOf(error: unknown): number {
  // Commander has printed its message already, and ends a request for help with 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  return error instanceof CliError ? error.exitCode : EXIT.failed;
}
