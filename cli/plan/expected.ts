/** When the tiers of a planned run would be done, as its past runs took. Pure. */
import type { MemberKey, Progress } from '../../contract';
import { estimate, spread, type Estimate, type Expected, type PastRun, type Spread } from '../../insight';

/** Past runs of a group to the same power state, from start to end; `runs` 0: there are none. */
export type PastTimes = Spread | { runs: 0 };

/** When one tier would be done. */
export interface ExpectedTier {
  /** Index of the tier, from 0. */
  tier: number;
  /** Milliseconds after the start of the run; absent: `why` says why. */
  end?: Expected;
  why?: 'no past run' | 'nothing to do';
  /** Members of the tier, and of those that it waits for, that were in no past run: the end does not count them. */
  uncounted: MemberKey[];
}

/** What the past says about a run that is planned. */
export interface ExpectedRun {
  past: PastTimes;
  tiers: ExpectedTier[];
}

/**
 * What past runs say about a run.
 *
 * @param start what the run reports before anything has happened, at the time 0.
 */
export function expectedRun(pastRuns: readonly PastRun[], start: Progress): ExpectedRun {
  const found = estimate(pastRuns, start, 0);
  return {
    past: spread(pastRuns.map(({ startedAt, endedAt }) => endedAt - startedAt)) ?? { runs: 0 },
    tiers: start.tiers.map(({ tier }) => expectedTier(found, start, tier)),
  };
}

function expectedTier({ tiers, unknown }: Estimate, start: Progress, tier: number): ExpectedTier {
  const waitsFor = tiersUpTo(start, tier);
  const uncounted = start.members
    .filter((member) => waitsFor.has(member.tier) && unknown.includes(member.member))
    .map(({ member }) => member);
  const end = tiers.find((each) => each.tier === tier)?.end;
  if (end) return { tier, end, uncounted };
  const isDone = start.tiers.some((each) => each.tier === tier && each.phase === 'Done');
  return { tier, why: isDone ? 'nothing to do' : 'no past run', uncounted };
}

/** A tier, and those that have to be done before it. */
function tiersUpTo({ tiers }: Progress, tier: number): Set<number> {
  const found = new Set<number>();
  for (let at: number | undefined = tier; at !== undefined && !found.has(at);) {
    found.add(at);
    at = tiers.find((each) => each.tier === at)?.after;
  }
  return found;
}
