/** Where an export goes. */
import { writeFileSync } from 'node:fs';
import { CliError, messageOf } from '../errors';
import { printData } from '../output';

/** Writes text to a file, or to standard output if none is named. Throws CliError if the file cannot be written. */
export function writeOutput(file: string | undefined, text: string): void {
  if (file === undefined) {
    printData(text);
    return;
  }
  try {
    writeFileSync(file, text);
  } catch (error: unknown) {
    throw new CliError(`failed to write ${file}: ${messageOf(error)}`, [], { cause: error });
  }
}
