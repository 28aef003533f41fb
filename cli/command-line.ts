/** The command line of this process: runs its command, prints its error, sets its exit code. */
import { CommanderError } from 'commander';
import { CliError, EXIT, explain } from './errors';
import { printError } from './output/terminal';
import { buildProgram } from './program';

/** Runs the command. Its error is printed to standard error. */
export async function main(): Promise<void> {
  // A reader that has read enough (`vmgroup get vms | head`) is not an error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    throw error;
  });
  try {
    await buildProgram().parseAsync(process.argv);
  } catch (error: unknown) {
    process.exitCode = exitCodeOf(error);
    if (!(error instanceof CommanderError)) printError(explain(error, process.argv.slice(2)));
  }
}

function exitCodeOf(error: unknown): number {
  // Commander has printed its message already, and ends a request for help with 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  return error instanceof CliError ? error.exitCode : EXIT.failed;
}
