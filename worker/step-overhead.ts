/**
 * How long a run takes between two tiers beyond what the plan asks for: `vmgroup_step_seconds`.
 *
 * METRICS-3: measured in the run's own times, from the moment at which a tier could start (the last member of the tier before was through its
 *     gate, and the delay was over) until the first operation of the tier began. It holds everything that vmgroup and Temporal add.
 */
import { own } from '../api';
import type { Progress, RunOutcome } from '../contract';

/** Seconds for each tier that has one before it; a tier whose members were there already has none. Pure. */
export function stepOverheads(
  { tiers, members }: Pick<Progress, 'tiers' | 'members'>,
  { spans = {}, exceptions }: Pick<RunOutcome, 'spans' | 'exceptions'>,
): number[] {
  const excepted = new Set(exceptions.map(({ member }) => member));
  const spansOf = (index: number): [number, number][] =>
    members.flatMap(({ member, tier }) => {
      const span = tier === index ? own(spans, member) : undefined;
      return span ? [[...span]] : [];
    });
  return tiers.flatMap(({ tier, after, delay = 0 }) => {
    const before = after === undefined ? [] : spansOf(after);
    const these = spansOf(tier);
    // After a member that was parked or left out, when the tier could start is not known.
    const isClear = !members.some((each) => each.tier === after && excepted.has(each.member));
    if (!isClear || before.length === 0 || these.length === 0) return [];
    const due = Math.max(...before.map(([, ended]) => ended)) + delay;
    return [Math.max(0, Math.min(...these.map(([began]) => began)) - due) / 1_000];
  });
}
