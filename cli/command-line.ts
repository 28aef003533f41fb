/** The command line of this process: runs its command, prints its error, sets its exit code. */
import { CommanderError } from 'commander';
import { CliError, EXIT, explain } from './errors';
import { printError, watchOutput } from './output/terminal';
import { buildProgram } from './program';

/** Runs the command. Its error is printed to standard error. */
export async function main(): Promise<void> {
  watchOutput(noteLostOutput);
  dropEmptyVariables(process.env);
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

/** A variable of ours that is empty counts as not set: a compose file or a script passes one on that is not there. */
function dropEmptyVariables(env: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(env))
    if (name.startsWith('VMGROUP_') && value === '') delete env[name];
}

function exitCodeOf(error: unknown): number {
  // Commander has printed its message already, and ends a request for help with 0.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  return error instanceof CliError ? error.exitCode : EXIT.failed;
}
