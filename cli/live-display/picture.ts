/** The picture of all groups on a terminal. Pure, except that the clock is read. */
import type { GroupView } from '../../bridge';
import { treesOf, type PastRun } from '../../insight';
import { groupLines, type Detail } from '../groups';
import type { Paint } from '../output';

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
  const trees = asTrees(groups.map(({ view }) => view));
  const draw = (detail: Detail) =>
    trees.flatMap(({ view, depth }) => {
      const indent = '  '.repeat(Math.min(depth, DEEPEST));
      const width = columns - indent.length;
      const past = pasts.get(view);
      const drawing = { now, paint, detail, width, argv, nested: depth > 0, ...(past && { past }) };
      const lines = groupLines(view, drawing);
      return [...lines.map((line) => indent + line), ...(detail === 'full' ? [''] : [])];
    });
  let lines = draw('full');
  if (lines.length > room) lines = [...draw('open'), ''];
  if (lines.length > room) {
    const hidden = paint.dim(`… ${lines.length - room} more lines: vmgroup get groups`);
    lines = [...lines.slice(0, room), hidden, ''];
  }
  return [...lines, ...footer];
}

/** Groups as trees: each parent before its members, with its depth. */
export function asTrees(views: readonly GroupView[]): { view: GroupView; depth: number }[] {
  return treesOf(views)
    .flat()
    .map(({ group: view, depth }) => ({ view, depth }));
}
