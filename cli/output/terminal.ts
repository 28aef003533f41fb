/**
 * The one place that writes to standard output and standard error (OUTPUT-1).
 *
 * OUTPUT-2: output that cannot be written stops nothing halfway. The command goes on to its end and its own exit code; one that shows what
 *     happens until it is stopped (`watch`) is stopped as by a signal. A reader that has read enough (`vmgroup get vms | head`) is no error; a full
 *     disk is one, except to a command whose work is more than its output ({@link workWithoutOutput}), which works on.
 */
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

let isWorkAtStake = false;

/** For a command that does more than print: it works on where its output cannot be written (OUTPUT-2). */
export function workWithoutOutput(): void {
  isWorkAtStake = true;
}

/** Calls `onLost` with the reason if output cannot be written, which is a failure of the command (OUTPUT-2). */
export function watchOutput(onLost: (why: string) => void): void {
  let isLost = false;
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (isLost || code === NO_READER || isWorkAtStake) return;
    isLost = true;
    onLost(message);
  });
  // There is no stream left to report it on.
  process.stderr.on('error', () => undefined);
}

/** Calls `stop` once the output of a command that runs until it is stopped has no reader (OUTPUT-2). */
export function whenUnread(stop: () => void): void {
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (code === NO_READER || !isWorkAtStake) stop();
  });
}

const NO_READER = 'EPIPE';
