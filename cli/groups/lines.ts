/** Lines that fit the width of a terminal. Pure. */
import type { PastRun } from '../../insight';
import type { Paint } from '../output';

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
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= room)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.map((line) => indent + line);
}

/** A line of at most `width` columns: one that the terminal wraps makes the picture hard to read. */
export function cut(line: string, width: number): string {
  return line.length > width ? `${line.slice(0, width - 1)}…` : line;
}

/** The line that counts the members beyond {@link MOST_MEMBERS}. */
export function moreLine(count: number, paint: Paint): string[] {
  return count > MOST_MEMBERS ? [paint.dim(`    … and ${count - MOST_MEMBERS} more`)] : [];
}
