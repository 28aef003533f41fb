/** How groups are drawn on the terminal of this command. */
import { paintFor } from '../output';
import type { Drawing } from './lines';

/** Columns where the output is not a terminal. */
const WIDTH_OF_PIPE = 100;

/** For standard output, and for suggested commands that reach what the command line of this process reaches. */
export function terminalDrawing(now = Date.now()): Drawing {
  const { stdout, argv } = process;
  return { now, paint: paintFor(stdout), width: stdout.columns || WIDTH_OF_PIPE, argv: argv.slice(2) };
}
