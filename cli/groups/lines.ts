/** Lines that fit the width of a terminal. Pure. */
import type { PastRun } from '../../insight';
import { onSameTarget } from '../options';
import { filled, type Paint } from '../output';

/** How groups are drawn. */
export interface Drawing {
  /** Milliseconds since the epoch. */
  now: number;
  paint: Paint;
  /** `full` (default): every member; `open`: only those that are in progress or need attention. */
  detail?: Detail;
  /** Columns of the terminal. */
  width?: number;
  /** The past of the group's open run; absent: it was not read. */
  past?: readonly PastRun[];
  /** The command line that draws: suggested commands reach the same groups. */
  argv?: readonly string[];
  /** Drawn below its parent, which need not be named. */
  nested?: boolean;
}

/** How much of a group is drawn. */
export type Detail = 'full' | 'open';

/** Members that are drawn before the rest is counted. */
export const MOST_MEMBERS = 12;

/** Indentation of the lines below a member. */
export const MEMBER_INDENT = ' '.repeat(8);

/** Least columns for wrapped text, however narrow the terminal is. */
const LEAST_WIDTH = 40;

/** Text on lines of its own, wrapped between words. */
export function wrapped(text: string, width: number, indent = MEMBER_INDENT): string[] {
  const room = Math.max(LEAST_WIDTH, width - indent.length - 1);
  return filled(text.split(' '), room).map((line) => indent + line);
}

/** Columns before the text of a suggested command: an arrow, or the indentation of a line that continues it. */
const ARROW = '→ ';
const CONTINUED = '    ';

/**
 * A suggested command, ready to paste: nothing follows it, and where it is too long for the terminal a backslash
 * continues it on the next line.
 */
export function commandLines(
  command: string,
  indent: string,
  { paint, width = 80, argv = [] }: Drawing,
): string[] {
  const text = onSameTarget(command, argv);
  const room = Math.max(LEAST_WIDTH, width - indent.length - CONTINUED.length);
  // The backslash fits, and the last column stays free.
  const lines = text.length < room ? [text] : filled(commandParts(text), room - ' \\'.length - 1);
  return lines.map((line, at) =>
    paint.warn(`${indent}${at === 0 ? ARROW : CONTINUED}${line}${at < lines.length - 1 ? ' \\' : ''}`),
  );
}

/** The words of a command, quoted ones whole, and each option together with its value. */
function commandParts(command: string): string[] {
  const words = command.match(/(?:[^\s"'\\]|\\.|"[^"]*"|'[^']*')+/g) ?? [];
  return words.reduce<string[]>((parts, word) => {
    const last = parts.at(-1) ?? '';
    return /^-\S+$/.test(last) && !word.startsWith('-')
      ? [...parts.slice(0, -1), `${last} ${word}`]
      : [...parts, word];
  }, []);
}

/** The line that counts the members beyond {@link MOST_MEMBERS}. */
export function moreLine(count: number, paint: Paint): string[] {
  return count > MOST_MEMBERS ? [paint.dim(`    … and ${count - MOST_MEMBERS} more`)] : [];
}
