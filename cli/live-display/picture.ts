/** The picture of all groups on a terminal. Pure, except that the clock is read. */
import type { GroupView } from '../../bridge';
import type { PastRun } from '../../insight';
import { groupLines, groupName, type Detail } from '../groups';
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

/** Groups as trees: each parent before its members, with its depth. Of groups in a circle, the first by name stands at the top. */
export function asTrees(views: readonly GroupView[]): { view: GroupView; depth: number }[] {
  const byName = new Map(views.map((view) => [groupName(view), view]));
  const sorted = [...byName.keys()].sort();
  const below = new Map<string | undefined, string[]>();
  for (const name of sorted) {
    const parent = parentOf(byName.get(name) as GroupView);
    const known = parent !== undefined && byName.has(parent) ? parent : undefined;
    const beside = below.get(known);
    if (beside) beside.push(name);
    else below.set(known, [name]);
  }
  const found = new Map<string, { view: GroupView; depth: number }>();
  for (const top of [...(below.get(undefined) ?? []), ...sorted]) {
    const open = [{ name: top, depth: 0 }];
    for (let at = open.pop(); at; at = open.pop()) {
      const { name, depth } = at;
      if (found.has(name)) continue;
      found.set(name, { view: byName.get(name) as GroupView, depth });
      open.push(...(below.get(name) ?? []).toReversed().map((each) => ({ name: each, depth: depth + 1 })));
    }
  }
  return [...found.values()];
}

function parentOf({ metadata, spec }: GroupView): string | undefined {
  return spec.groupName === undefined ? undefined : `${metadata.namespace}/${spec.groupName}`;
}
