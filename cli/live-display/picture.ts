/** The picture of all groups on a terminal. Pure, except that the clock is read. */
import type { GroupView } from '../../bridge';
import { treesOf, type PastRun } from '../../insight';
import { groupLines, type Detail } from '../groups';
import { counted, type Paint } from '../output';

/** Size of a terminal in characters. */
export interface Size {
  columns: number;
  rows: number;
}

/** Lines that are kept free below the picture. */
const FREE_LINES = 3;

/** Levels of nested groups that are indented more than the one above. */
const DEEPEST = 8;

/** A group, and the past of its open run. */
export interface DrawnGroup {
  view: GroupView;
  past?: readonly PastRun[] | undefined;
}

/** All groups, in as much detail as the terminal has room for, and the footer below them. */
export function picture(
  groups: DrawnGroup[],
  footer: string[],
  { columns, rows }: Size,
  paint: Paint,
  argv: readonly string[] = [],
): string[] {
  const now = Date.now();
  const room = Math.max(0, rows - footer.length - FREE_LINES);
  const pasts = new Map(groups.map(({ view, past }) => [view, past]));
  const trees = treesOf(groups.map(({ view }) => view)).flat();
  const draw = (detail: Detail): Drawn =>
    drawnUpTo(room, trees, ({ group: view, depth }) => {
      const indent = '  '.repeat(Math.min(depth, DEEPEST));
      const width = columns - indent.length;
      const past = pasts.get(view);
      const drawing = { now, paint, detail, width, argv, nested: depth > 0, ...(past && { past }) };
      const lines = groupLines(view, drawing);
      return [...lines.map((line) => indent + line), ...(detail === 'full' ? [''] : [])];
    });
  const full = draw('full');
  if (full.lines.length <= room) return [...full.lines, ...footer];
  const { lines, left } = draw('open');
  if (lines.length <= room) return [...lines, '', ...footer];
  const groupsLeft = left === 0 ? '' : ` and ${counted(left, 'group')}`;
  const hidden = paint.dim(`… ${counted(lines.length - room, 'more line')}${groupsLeft}: vmgroup get groups`);
  return [...lines.slice(0, room), hidden, '', ...footer];
}

/** Lines of groups, and how many groups come after them. */
interface Drawn {
  lines: string[];
  left: number;
}

/** Draws groups until there is no room for more: of thousands, those that are not visible would take the time of many redraws. */
function drawnUpTo<T>(room: number, items: readonly T[], draw: (item: T) => string[]): Drawn {
  const lines: string[] = [];
  for (const [at, item] of items.entries()) {
    if (lines.length > room) return { lines, left: items.length - at };
    lines.push(...draw(item));
  }
  return { lines, left: 0 };
}
