/** Where an export goes. */
import { writeFileSync } from 'node:fs';
import { CliError, messageOf } from '../errors';

/** Writes text to a file, or to standard output if none is named. Throws CliError if the file cannot be written. */
export function writeOutput(file: string | undefined, text: string): void {
  if (file === undefined) {
    process.stdout.write(text);
    return;
  }
  try {
    writeFileSync(file, text);
  } catch (error: unknown) {
    throw new CliError(`failed to write ${file}: ${messageOf(error)}`, [], { cause: error });
  }
}
