/** How long the rest of a run will take, from runs that the planner drove to their end. */
import fc from 'fast-check';
import { estimate, pastRunOf, spread, type PastRun } from '../../insight';
import type { Plan, Progress } from '../../contract';
import { progressOf } from '../../workflows/progress';
import type { Run } from '../../workflows/state';
import { propertyRuns } from '../support/property-runs';
import { MINUTE, plan, SECOND, seen, tier } from '../workflows/plans';
import { World } from '../workflows/world';

const off = (name: string) => seen(name, 'PoweredOff');
/** `a` and `b`, then after a delay `c`. */
const PLAN = plan([tier([off('a'), off('b')]), tier([off('c')], { powerOnDelay: MINUTE })]);

/** A world in which each VM takes so long. */
function taking(times: Record<string, number>): World {
  return new World((id) => ({ takes: times[id.split('/')[1] ?? ''] ?? SECOND }));
}

/** A run of the plan to its end, as the past has it. */
function past(times: Record<string, number>, of: Plan = PLAN): PastRun {
  const { outcome } = taking(times).send(of).pass();
  const found = outcome && pastRunOf('r', outcome);
  if (!found) throw new Error('it has no past');
  return found;
}

function now(world: World): Progress {
  return progressOf(world.run as Run, world.outcome);
}

const RUNS = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100].map((seconds) =>
  past({ a: seconds * SECOND, b: SECOND, c: 5 * SECOND }),
);

test('the median and the 90th percentile, by nearest rank', () => {
  expect(spread([])).toBeUndefined();
  expect(spread([7])).toEqual({ median: 7, p90: 7, runs: 1 });
  expect(spread([5, 1, 4, 2, 3, 10, 9, 8, 7, 6])).toEqual({ median: 5, p90: 9, runs: 10 });
});

test('a run that was stopped, and one that had nothing to do, teach nothing', () => {
  const stopped = taking({}).send(PLAN);
  stopped.say('abort');
  expect(stopped.pass().outcome?.outcome).toBe('Cancelled');
  expect(stopped.outcome && pastRunOf('r', stopped.outcome)).toBeUndefined();
  const idle = taking({})
    .send(plan([tier([seen('a', 'PoweredOn')])]))
    .pass();
  expect(idle.outcome?.outcome).toBe('Converged');
  expect(idle.outcome && pastRunOf('r', idle.outcome)).toBeUndefined();
});

describe('ESTIMATE-1: no estimate without a past', () => {
  it('no runs at all, or only runs to another power state', () => {
    const world = taking({}).send(PLAN);
    for (const runs of [[], RUNS.map((run) => ({ ...run, powerState: 'PoweredOff' as const }))]) {
      const found = estimate(runs, now(world), world.now);
      expect(found).toMatchObject({ runs: 0, why: 'no past runs' });
      expect(found.end).toBeUndefined();
      expect(found.tiers.every(({ end }) => end === undefined)).toBe(true);
    }
  });

  it('while an operator is waited for', () => {
    const world = new World(() => ({ failsAfter: SECOND, class: 'Permanent' }))
      .send(PLAN)
      .pass(world0() + MINUTE);
    const found = estimate(RUNS, now(world), world.now);
    expect(found.end).toBeUndefined();
    expect(found.why).toContain('the run waits for an operator: a, b parked');
  });

  it('members that no past run had are named', () => {
    const more = plan([tier([off('a'), off('new')]), tier([off('c')], { powerOnDelay: MINUTE })]);
    expect(estimate(RUNS, now(taking({}).send(more)), world0()).unknown).toEqual(['new']);
  });
});

/** When worlds begin. */
function world0(): number {
  return new World().now;
}

describe('the end of tiers and of the run', () => {
  it('at the start: the tiers one after the other, with the delay between them', () => {
    const world = taking({ a: 10 * MINUTE }).send(PLAN);
    const found = estimate(RUNS, now(world), world.now);
    const at = (seconds: number) => world.now + seconds * SECOND;
    expect(found.runs).toBe(10);
    expect(found.members['a']).toEqual({ median: 50 * SECOND, p90: 90 * SECOND, runs: 10 });
    expect(found.tiers).toEqual([
      { tier: 0, end: { median: at(50), p90: at(90) } },
      { tier: 1, end: { median: at(50 + 60 + 5), p90: at(90 + 60 + 5) } },
    ]);
    expect(found.end).toEqual({ median: at(115), p90: at(155) });
  });

  it('during the delay: from its end', () => {
    const world = taking({ a: 30 * SECOND, c: MINUTE })
      .send(PLAN)
      .pass(world0() + 40 * SECOND);
    const found = estimate(RUNS, now(world), world.now);
    expect(found.tiers[0]).toEqual({ tier: 0 });
    expect(found.end?.median).toBe(world0() + (30 + 60 + 5) * SECOND);
  });

  it('a tier that takes longer than nine of ten runs', () => {
    const world = taking({ a: 10 * MINUTE })
      .send(PLAN)
      .pass(world0() + 2 * MINUTE);
    const found = estimate(RUNS, now(world), world.now);
    expect(found.tiers[0]).toEqual({ tier: 0, end: { median: world.now, p90: world.now }, overdue: true });
    expect(found.end?.median).toBe(world.now + 65 * SECOND);
  });

  it('in the order of a power-off', () => {
    const on = (name: string) => seen(name, 'PoweredOn');
    const down = plan([tier([on('db')]), tier([on('web')], { powerOffDelay: 0 })], {
      powerState: 'PoweredOff',
    });
    const runs = [past({ db: 20 * SECOND, web: 10 * SECOND }, down)];
    const world = taking({ web: MINUTE }).send(down);
    const found = estimate(runs, now(world), world.now);
    expect(found.tiers.map(({ end }) => (end?.median ?? 0) - world.now)).toEqual([30 * SECOND, 10 * SECOND]);
  });
});

test('ESTIMATE-2: no end lies in the past, none before the tier that it waits for', () => {
  const seconds = fc.integer({ min: 0, max: 300 }).map((each) => each * SECOND);
  const times = fc.record({ a: seconds, b: seconds, c: seconds });
  fc.assert(
    fc.property(fc.array(times, { minLength: 1, maxLength: 5 }), times, seconds, (before, takes, passed) => {
      const runs = before.map((each) => past(each));
      const world = taking(takes)
        .send(PLAN)
        .pass(world0() + passed);
      const { tiers, end } = estimate(runs, now(world), world.now);
      for (const part of ['median', 'p90'] as const) {
        const ends = tiers.map((each) => each.end?.[part] ?? world.now);
        expect(Math.min(...ends)).toBeGreaterThanOrEqual(world.now);
        expect(ends[1]).toBeGreaterThanOrEqual(ends[0] ?? 0);
        expect(end?.[part]).toBe(Math.max(...ends));
      }
    }),
    { numRuns: propertyRuns(200) },
  );
});
