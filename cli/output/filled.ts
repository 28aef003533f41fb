/** Text in lines. Pure. */
import { columnsOf } from './columns';

/** Words in lines of at most `room` columns, a space between two. A longer word has a line to itself. */
export function filled(words: readonly string[], room: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && columnsOf(last) + 1 + columnsOf(word) <= room)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
