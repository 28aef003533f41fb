/** What `plan` says of the end of each tier: from past runs, and nothing where there are none. */
import { expectedRun } from '../../../cli/plan/expected';
import { planTable, type GroupPlan } from '../../../cli/plan/text';
import type { Plan } from '../../../contract';
import type { PastRun } from '../../../insight';
import { forecast, progressAtStart } from '../../../workflows';
import { MINUTE, plan, SECOND, seen, tier } from '../../workflows/plans';

const off = (name: string) => seen(name, 'PoweredOff');
/** `a` and `b`, then after a delay `c`, then `d`. */
const PLAN = plan([
  tier([off('a'), off('b')]),
  tier([off('c')], { powerOnDelay: MINUTE }),
  tier([off('d')], { powerOnDelay: MINUTE }),
]);

/** A run in which the operations of members took so many seconds. */
function past(seconds: Record<string, number>): PastRun {
  const spans = Object.entries(seconds).map(([name, took]) => [name, [0, took * SECOND]] as const);
  return {
    runId: 'r',
    powerState: 'PoweredOn',
    startedAt: 0,
    endedAt: 3 * MINUTE,
    spans: Object.fromEntries(spans) as PastRun['spans'],
  };
}

const expected = (runs: PastRun[], of: Plan = PLAN) => expectedRun(runs, progressAtStart(of, 0));

function text(runs: PastRun[], of: Plan = PLAN): string {
  const { places: _places, ...steps } = forecast(of, 0);
  const shown: GroupPlan = {
    group: 'prod/shop',
    powerState: 'PoweredOn',
    from: 'PoweredOff',
    forecast: steps,
    ...expected(runs, of),
  };
  return planTable(shown);
}

const at = (median: number, p90 = median) => ({ median: median * SECOND, p90: p90 * SECOND });

test('each tier by median and 90th percentile, with the delays before it', () => {
  const runs = [10, 20].map((seconds) => past({ a: seconds, b: 1, c: 5, d: 5 }));
  expect(expected(runs)).toEqual({
    past: { ...at(180), runs: 2 },
    tiers: [
      { tier: 0, end: at(10, 20), uncounted: [] },
      { tier: 1, end: at(75, 85), uncounted: [] },
      { tier: 2, end: at(140, 150), uncounted: [] },
    ],
  });
  const shown = text(runs);
  expect(shown).toContain('past runs took 3m, 9 of 10 at most 3m (2 runs)');
  expect(shown).toMatch(/^TIER +DONE ABOUT +IN 9 OF 10 BY\n1 +\+10s +\+20s\n2 +\+1m15s +\+1m25s\n3 /m);
  expect(shown).not.toContain('NOT COUNTED');
});

test('without a past run there is no end, and every member is without a past', () => {
  const why = 'no past run';
  expect(expected([])).toEqual({
    past: { runs: 0 },
    tiers: [
      { tier: 0, why, uncounted: ['a', 'b'] },
      { tier: 1, why, uncounted: ['a', 'b', 'c'] },
      { tier: 2, why, uncounted: ['a', 'b', 'c', 'd'] },
    ],
  });
  expect(text([])).toContain('no past runs to estimate from');
  expect(text([])).not.toContain('DONE ABOUT');
});

test('members that were in no past run are named, also at the tiers that wait for theirs', () => {
  const runs = [past({ a: 10, d: 5 })];
  expect(expected(runs).tiers).toEqual([
    { tier: 0, end: at(10), uncounted: ['b'] },
    { tier: 1, why: 'no past run', uncounted: ['b', 'c'] },
    { tier: 2, end: at(10 + 60 + 60 + 5), uncounted: ['b', 'c'] },
  ]);
  const shown = text(runs);
  expect(shown).toMatch(
    /^TIER .* NOT COUNTED: IN NO PAST RUN\n1 +\+10s +\+10s +b\n2 +no past run +- +b, c\n/m,
  );
});

test('a tier in which nothing is to be done needs no past', () => {
  const some = plan([tier([seen('a', 'PoweredOn')]), tier([off('c')])]);
  expect(expected([past({ c: 5 })], some).tiers).toEqual([
    { tier: 0, why: 'nothing to do', uncounted: [] },
    { tier: 1, end: at(5), uncounted: [] },
  ]);
});
