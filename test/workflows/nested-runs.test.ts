/** A parent's run that waits for a nested run longer than an activity does: NESTED-1 to NESTED-4. */
import fc from 'fast-check';
import type { PlanMessage } from '../../contract';
import { usesAll, type Uses } from '../../workflows/changes';
import { nextSteps, openStarts } from '../../workflows/planner';
import { endsFound, END_SEARCH_INTERVAL, groupHasEnded, notifying } from '../../workflows/nested-runs';
import { operationsEnded } from '../../workflows/operations';
import { progressOf } from '../../workflows/progress';
import { readOperation } from '../../workflows/results';
import { begin, receivePlan } from '../../workflows/plans';
import { carried, unpacked } from '../../workflows/carried-run';
import type { Run } from '../../workflows/state';
import { propertyRuns } from '../support/property-runs';
import { group, MINUTE, plan, SECOND, tier, vm } from './plans';
import { World, type Fate } from './world';

const HOUR = 60 * MINUTE;
const INNER = 'VirtualMachineGroup/inner';
const inner = (more = {}): ReturnType<typeof plan> =>
  plan([tier([vm('n-1')])], {
    name: 'inner',
    uid: 'uid-inner',
    revision: 'i1',
    lineage: 'uid-shop/uid-inner',
    ...more,
  });
const parent = (more = {}): ReturnType<typeof plan> => plan([tier([group(inner(more))]), tier([vm('b')])]);

/** A world whose nested run has these fates, one each time it is asked. */
function worldOf(...fates: Fate[]): World {
  let asked = 0;
  return new World((id, { activity }) =>
    id.includes('VirtualMachineGroup') && activity !== 'awaitGroup'
      ? (fates[asked++] ?? { takes: SECOND })
      : { takes: SECOND },
  );
}

/** A parent whose nested run takes an hour, after ten minutes. */
function waiting(fate: Fate = { takes: HOUR }): World {
  const world = worldOf(fate).send(parent());
  world.pass(world.now + 10 * MINUTE);
  return world;
}

describe('a nested run that takes longer than its activity waits', () => {
  it('is waited for without an activity; progress says for what', () => {
    const world = waiting();
    expect(world.openIds).toEqual([]);
    const [member] = progressOf(world.run!).members;
    expect(member).toMatchObject({ phase: 'InProgress', waitsFor: 'its own run, vmgroup/production/inner' });
    expect(member).not.toHaveProperty('activityId');
  });

  it('NESTED-3: notifies the parent at its end, which then reads the outcome', () => {
    const world = waiting();
    const began = world.now - 10 * MINUTE;
    world.pass(began + HOUR - 1);
    expect(world.openIds).toEqual([]);
    world.pass();
    expect(world.outcome?.outcome).toBe('Converged');
    expect(world.run?.activityIds).toMatchObject({ 'power-on/VirtualMachineGroup/inner': 2 });
    expect(world.asked.at(-1)).toMatchObject({ member: 'b', at: began + HOUR });
  });

  it('NESTED-1: costs two actions every half hour', () => {
    const world = waiting({ takes: 24 * HOUR });
    world.pass(world.now + 20 * HOUR);
    expect(world.searches).toBe(40);
    expect(world.timers).toEqual([]);
  });

  it('NESTED-2: is found within half an hour if it ends without notifying its parent', () => {
    const world = waiting({ takes: HOUR, silent: true });
    world.pass();
    expect(world.outcome?.outcome).toBe('Converged');
    const [, last] = world.asked;
    expect(last?.at).toBeLessThanOrEqual(1_000_000 + HOUR + END_SEARCH_INTERVAL + 2 * MINUTE);
  });

  it('that fails parks its member, and a retry asks it again', () => {
    const world = worldOf({ failsAfter: HOUR, class: 'GroupFailed' }, { takes: 2 * HOUR }).send(parent());
    world.pass();
    expect(progressOf(world.run!).members[0]).toMatchObject({ phase: 'Parked' });
    expect(world.say('retryMember', INNER)).toBeUndefined();
    world.pass();
    expect(world.outcome?.outcome).toBe('Converged');
    expect(world.asked.map(({ activityId }) => activityId)).toEqual([
      'power-on/VirtualMachineGroup/inner',
      'power-on/VirtualMachineGroup/inner/3',
      'power-on/b',
    ]);
  });
});

describe('while a parent waits without an activity', () => {
  it('a notification of another run, or of another member, has no effect', () => {
    const { run } = waiting();
    expect(groupHasEnded(run!, { member: INNER, runId: 'another' })).toBe(run);
    expect(groupHasEnded(run!, { member: 'b', runId: 'run-0' })).toBe(run);
    expect(groupHasEnded(run!, { member: 'constructor', runId: 'run-0' })).toBe(run);
  });

  describe('NESTED-4: a notification that comes before the result of the activity', () => {
    const returned = (uses: Uses, notified: string): Run => {
      const asked = nextSteps(begin({ plan: parent(), cause: 'SpecChanged', placed: true }, 0), 0).run;
      const activityId = asked.members[INNER]?.operation?.activityId ?? '';
      const run = groupHasEnded(asked, { member: INNER, runId: notified });
      const waiting = { runId: 'run-0', failures: [] };
      return operationsEnded(run, [{ activityId, at: MINUTE, waiting }], uses);
    };

    it('makes the run read the outcome at once', () => {
      const { start, search } = nextSteps(returned(usesAll, 'run-0'), MINUTE);
      expect(start.map(({ activity }) => activity)).toEqual(['awaitGroup']);
      expect(search).toBeUndefined();
    });

    it.each([
      ['of another run does not', usesAll, 'run-1'],
      ['does not in a run of an older build', () => false, 'run-0'],
    ] as const)('%s', (_title, uses, notified) => {
      const { start, search } = nextSteps(returned(uses, notified), MINUTE);
      expect(start).toEqual([]);
      expect(search?.at).toBe(MINUTE + END_SEARCH_INTERVAL);
    });
  });

  it('a changed desired state asks the nested group again', () => {
    const world = waiting();
    world.send(plan([tier([group(inner({ revision: 'i2' }))]), tier([vm('b')])], { generation: 2 }));
    expect(world.openIds).toEqual(['power-on/VirtualMachineGroup/inner/2']);
    expect(world.run?.endSearch).toBeUndefined();
  });

  it('skip continues without it', () => {
    const world = waiting();
    expect(world.say('skipMember', INNER)).toBeUndefined();
    world.pass();
    expect(world.outcome).toMatchObject({ outcome: 'ConvergedWithExceptions' });
  });

  it('pause and resume leave the wait as it is; its end is read while paused', () => {
    const world = waiting();
    world.say('pause');
    world.pass(world.now + HOUR);
    expect(progressOf(world.run!).members[0]).toMatchObject({ phase: 'Done' });
    expect(world.asked).toHaveLength(1);
    world.say('resume');
    world.pass();
    expect(world.outcome?.outcome).toBe('Converged');
  });

  it('a retry of the member asks it again at once; one of the whole group leaves it', () => {
    const world = waiting();
    expect(world.say('retryMember')).toBe('no member is parked or failing');
    expect(world.say('retryMember', INNER)).toBeUndefined();
    expect(world.openIds).toEqual(['power-on/VirtualMachineGroup/inner/2']);
  });

  it('abort ends the run', () => {
    const world = waiting();
    world.say('abort');
    world.pass();
    expect(world.outcome?.outcome).toBe('Cancelled');
  });

  it('a run that continues as new schedules no activity for it, and searches on', () => {
    const world = waiting();
    const next = unpacked(JSON.parse(JSON.stringify(carried(world.run!))) as Run);
    expect(openStarts(next)).toEqual([]);
    expect(nextSteps(next, world.now).search).toEqual(nextSteps(world.run!, world.now).search);
    const searching = nextSteps(next, world.now + END_SEARCH_INTERVAL);
    expect(searching.start).toMatchObject([
      {
        activity: 'findEndedGroups',
        input: {
          groups: [{ member: INNER, workflowId: 'vmgroup/production/inner', runId: 'run-0' }],
        },
      },
    ]);
    expect(openStarts(searching.run)).toEqual(searching.start);
  });

  it('a search that fails or is completed by hand is followed by another one', () => {
    const { run, now } = waiting();
    const searching = nextSteps(run!, now + END_SEARCH_INTERVAL);
    const id = searching.start[0]?.activityId ?? '';
    const after = endsFound(searching.run, id, [], now + END_SEARCH_INTERVAL);
    expect(nextSteps(after, now + END_SEARCH_INTERVAL).search?.at).toBe(now + 2 * END_SEARCH_INTERVAL);
    expect(endsFound(searching.run, 'another', [INNER], now)).toBe(searching.run);
  });

  it('a server clock that goes back delays no search by more than its interval', () => {
    const { run, now } = waiting();
    expect(nextSteps(run!, now - HOUR).search?.at).toBe(now - HOUR + END_SEARCH_INTERVAL);
  });
});

describe('what an activity answers', () => {
  const start = nextSteps(begin({ plan: parent(), cause: 'SpecChanged', placed: true }, 1_000), 1_000)
    .start[0]!;
  const answer = { operation: 'power-on/VirtualMachineGroup/inner@1000', failures: [] };

  it('waiting counts with the name of its operation', () => {
    expect(readOperation(start, { ...answer, waiting: { runId: 'r' } }, usesAll)).toEqual({
      waiting: { runId: 'r', failures: [] },
    });
  });

  it.each([
    { ...answer, waiting: { runId: 7 } },
    { ...answer, waiting: {} },
    { ...answer, operation: 'another', waiting: { runId: 'r' } },
    { ...answer, failures: 'none', waiting: { runId: 'r' } },
  ])('%j is confirmed', (raw) => {
    expect(readOperation(start, raw, usesAll)).toMatchObject({ unconfirmed: expect.any(String) as string });
  });

  it('a run that a worker of an older build has continued confirms it', () => {
    const raw = { ...answer, waiting: { runId: 'r' } };
    expect(readOperation(start, raw, () => false)).toMatchObject({
      unconfirmed: expect.any(String) as string,
    });
  });
});

describe('a nested run', () => {
  const message = (generation: number, sequence?: number): PlanMessage => ({
    plan: inner({ generation, revision: `g${generation}` }),
    cause: 'Parent',
    ...(sequence !== undefined && { sequence }),
  });

  it('keeps whom it is to notify, the last one', () => {
    const run = notifying(begin(message(1), 0), { workflowId: 'vmgroup/a/b', member: INNER, runId: 'r' });
    const next = notifying(run, { workflowId: 'vmgroup/a/c', member: INNER, runId: 's' });
    expect(next.notify).toEqual({ workflowId: 'vmgroup/a/c', member: INNER, runId: 's' });
  });

  it("takes the plan of its parent's later operation, regardless of generations", () => {
    const run = begin(message(5, 100), 0);
    expect(receivePlan(run, message(3, 200), 1).plan.generation).toBe(3);
    expect(receivePlan(run, message(3, 100), 1)).toMatchObject({ plan: { generation: 5 } });
    expect(receivePlan(run, message(3, 99), 1).refusedPlan).toMatchObject({ generation: 3 });
    expect(receivePlan(run, message(3), 1).refusedPlan).toBeDefined();
    expect(receivePlan(begin(message(5), 0), message(3, 200), 1).refusedPlan).toBeDefined();
  });

  it('refuses it where a worker of an older build has refused it', () => {
    const run = receivePlan(begin(message(5, 100), 0), message(3, 200), 1, () => false);
    expect(run.refusedPlan).toBeDefined();
  });
});

const fate: fc.Arbitrary<Fate> = fc.record(
  {
    takes: fc.constantFrom(SECOND, MINUTE, 61 * SECOND, 29 * MINUTE, 30 * MINUTE, HOUR, 5 * HOUR),
    silent: fc.constant(true as const),
  },
  { requiredKeys: ['takes'] },
);
const event = fc.constantFrom('edit', 'retryMember', 'pause', 'resume', 'same', 'forge', 'nothing');

it('NESTED-1, NESTED-2: the end of each nested run is noticed after any events, at a bounded cost', () => {
  fc.assert(
    fc.property(
      fc.array(fate, { minLength: 1, maxLength: 4 }),
      fc.array(fc.record({ after: fc.constantFrom(0, SECOND, 2 * MINUTE, 40 * MINUTE), event }), {
        maxLength: 6,
      }),
      (fates, events) => {
        const names = fates.map((_, index) => `g-${index}`);
        let revision = 1;
        const desired = (): ReturnType<typeof plan> =>
          plan(
            [
              tier(names.map((name) => group(inner({ name, uid: `uid-${name}`, revision: `i${revision}` })))),
              tier([vm('b')]),
            ],
            { generation: revision, revision: `r${revision}` },
          );
        const world = new World((id) => fates[names.findIndex((name) => id.includes(name))] ?? { takes: 1 });
        world.send(desired());
        for (const { after, event: happens } of events) {
          world.pass(world.now + after);
          if (world.outcome) break;
          const [open] = Object.entries(world.run?.members ?? {}).filter(([, { operation }]) => operation);
          if (happens === 'edit') revision += 1;
          if (happens === 'edit' || happens === 'same') world.send(desired());
          else if (happens === 'forge' && open)
            world.run = groupHasEnded(world.run!, {
              member: open[0],
              runId: open[1].operation?.runId ?? '',
            });
          else if (happens === 'retryMember') world.say(happens, INNER);
          else if (happens === 'pause' || happens === 'resume') world.say(happens);
          world.step();
          expect(new Set(world.openIds.map((id) => id.split('/')[2])).size).toBe(world.openIds.length);
        }
        const resumedAt = world.now;
        world.say('resume');
        world.pass();
        expect(world.outcome?.outcome).toBe('Converged');
        const longest = Math.max(...fates.map((each) => ('takes' in each ? each.takes : 0)));
        const lastAsked = Math.max(...world.asked.filter(({ member }) => member !== 'b').map(({ at }) => at));
        const [b] = world.asked.filter(({ member }) => member === 'b').slice(-1);
        const latest = lastAsked + longest + END_SEARCH_INTERVAL + 4 * MINUTE;
        expect(b?.at).toBeLessThanOrEqual(Math.max(latest, resumedAt));
        expect(world.searches).toBeLessThanOrEqual((world.now - 1_000_000) / END_SEARCH_INTERVAL + revision);
      },
    ),
    { numRuns: propertyRuns(500) },
  );
});
