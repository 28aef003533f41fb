/** Prose at the end of the rows of a table, fitted to the width of a terminal. Pure. */
import { columnsOf, padded, widest } from './columns';
import { filled } from './filled';

/** Between two columns of a table. */
export const GAP = '   ';

/** Least columns for prose next to the others; with less it stands below its row. */
const LEAST_BESIDE = 24;

/** Indentation of prose below its row. */
const BELOW = ' '.repeat(4);

/** Rows without their prose, as lines of equal use of columns, and the prose of each. The first is the heading. */
export interface ProseRow {
  line: string;
  prose: string;
}

/** The rows in lines of at most `width` columns, where words allow it. */
export function withProse(rows: readonly ProseRow[], width: number): string[] {
  const start = widest(rows.map(({ line }) => line)) + GAP.length;
  const room = width - start;
  if (room < LEAST_BESIDE && rows.some(({ prose }) => columnsOf(prose) > room))
    return rows.flatMap(({ line, prose }, at) => [line, ...(at === 0 ? [] : below(prose, width))]);
  return rows.flatMap(({ line, prose }) => {
    const [first = '', ...more] = filled(prose.split(' '), room);
    return [padded(line, start) + first, ...more.map((text) => ' '.repeat(start) + text)];
  });
}

function below(prose: string, width: number): string[] {
  return prose === '-' ? [] : filled(prose.split(' '), width - BELOW.length).map((text) => BELOW + text);
}
