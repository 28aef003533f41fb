/** The one place that writes to standard output and standard error (OUTPUT-1). */
import { oneLine } from '../../api/text';
import { plainLines, styledLines } from './legible';

/** Writes one line for people. */
export function printLine(line: string): void {
  process.stdout.write(`${oneLine(line)}\n`);
}

/** Writes lines for people, made of `legible` text. */
export function printText(text: string): void {
  process.stdout.write(plainLines(text));
}

/** Writes lines with colours, made of `legible` text. */
export function printStyled(text: string): void {
  process.stdout.write(styledLines(text, process.stdout));
}

/** Writes one line to standard error: a note alongside the output. */
export function printNote(line: string): void {
  process.stderr.write(`${oneLine(line)}\n`);
}

/** Writes lines to standard error, made of `legible` text. */
export function printError(text: string): void {
  process.stderr.write(plainLines(text));
}

/** Writes what programs read, as it is: manifests, pages, and what `jsonText` and `yamlText` made. */
export function printData(text: string): void {
  process.stdout.write(text);
}
