/** The picture of all groups on a terminal. Pure, except that the clock is read. */
import type { GroupView } from '../../bridge';
import { groupLines, groupName, type Detail } from '../groups';
import type { Paint } from '../output';

/** Size of a terminal in characters. */
export interface Size {
  columns: number;
  rows: number;
}

/** Lines that are kept free below the picture. */
const FREE_LINES = 3;

/** All groups, in as much detail as the terminal has room for, and the footer below them. */
export function picture(
  views: GroupView[],
  footer: string[],
  { columns, rows }: Size,
  paint: Paint,
): string[] {
  const now = Date.now();
  const room = rows - footer.length - FREE_LINES;
  const trees = asTrees(views);
  const draw = (detail: Detail) =>
    trees.flatMap(({ view, depth }) => {
      const indent = '  '.repeat(depth);
      const width = columns - indent.length;
      const lines = groupLines(view, { now, paint, detail, width, nested: depth > 0 });
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
export function asTrees(views: GroupView[]): { view: GroupView; depth: number }[] {
  const sorted = [...views].sort((a, b) => (groupName(a) < groupName(b) ? -1 : 1));
  const names = new Set(sorted.map(groupName));
  const parentOf = ({ metadata, spec }: GroupView) => {
    const parent = spec.groupName === undefined ? undefined : `${metadata.namespace}/${spec.groupName}`;
    return parent !== undefined && names.has(parent) ? parent : undefined;
  };
  const below = (parent: string | undefined, depth: number): { view: GroupView; depth: number }[] =>
    sorted
      .filter((view) => parentOf(view) === parent)
      .flatMap((view) => [{ view, depth }, ...below(groupName(view), depth + 1)]);
  return below(undefined, 0);
}
