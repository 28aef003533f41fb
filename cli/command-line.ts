/**
 * The command line of this process: runs its command, prints its error, sets its exit code.
 *
 * OUTPUT-2: output that cannot be written stops nothing halfway. The command goes on to its end and its own exit code; one that shows what
 *     happens until it is stopped (`watch`, `up`) is stopped as by a signal. A reader that has read enough (`vmgroup get vms | head`) is no
 *     error, a full disk is.
 */
import { CommanderError } from 'commander';
import { CliError, EXIT, explain } from './errors';
import { printError } from './output/terminal';
import { buildProgram } from './program';

/** Runs the command. Its error is printed to standard error. */
export async function main(): Promise<void> {
  process.stdout.once('error', noteLostOutput).on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  try {
    await buildProgram().parseAsync(process.argv);
  } catch (error: unknown) {
    process.exitCode = exitCodeOf(error);
    if (!(error instanceof CommanderError)) printError(explain(error, process.argv.slice(2)));
  }
}

/** OUTPUT-2. */
function noteLostOutput(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return;
  process.exitCode = EXIT.failed;
  printError(explain(new CliError(`standard output cannot be written: ${error.message}`)));
}

function exitCodeOf(error: unknown): number {
  // Commander has printed its message already, and ends a request for help with 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  return error instanceof CliError ? error.exitCode : EXIT.failed;
}
