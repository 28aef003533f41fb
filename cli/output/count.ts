/** Counts and names in sentences. */
import { listed } from '../../api/text';

/** `1 file`, `2 files`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Most names of one text: there may be thousands of groups. */
const MOST_NAMES = 10;

/** Names in one text: `a, b, c`, and `a, b and 3 more` of very many. */
export function firstNames(names: readonly string[]): string {
  return listed(names, MOST_NAMES);
}
