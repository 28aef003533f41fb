/** Counts of members by mark. Pure. */
import type { Counts, GroupItem, Mark } from './page';

/** Every mark, in the order in which counts are shown. */
export const MARKS = ['Done', 'Working', 'Queued', 'Waiting', 'Parked', 'Missing', 'SetAside'] as const;

/** How many VMs of these groups stand where. Nested groups are not counted: their VMs are. */
export function countsOf(groups: readonly GroupItem[]): Counts {
  const counts: Record<Mark, number> = {
    Done: 0,
    Working: 0,
    Queued: 0,
    Waiting: 0,
    Parked: 0,
    Missing: 0,
    SetAside: 0,
  };
  for (const { tiers } of groups)
    for (const { members } of tiers) for (const { mark, isGroup } of members) if (!isGroup) counts[mark] += 1;
  return counts;
}

/** The sum of counts. */
export function totalOf(counts: Counts): number {
  return MARKS.reduce((sum, mark) => sum + counts[mark], 0);
}
