/**
 * What operators, other plans and clocks do to a run: settings, skips, room, fencing, parents.
 *
 * Guarantees: G4, G9.
 */
import type { PlanMember } from '../../contract';
import { nextSteps, workOf } from '../../workflows/planner';
import { operationsEnded } from '../../workflows/operations';
import { placementFailed } from '../../workflows/placing';
import { progressOf } from '../../workflows/progress';
import { begin, receivePlan } from '../../workflows/plans';
import type { Run } from '../../workflows/state';
import { group, MINUTE, plan, SECOND, seen, status, tier, vm } from './plans';
import { World } from './world';

const NOW = 1_700_000_000_000;

/** Operations that never end. */
const stuck = (): World => new World(() => ({ takes: Infinity }));

describe('PLANS-3: an open operation follows its settings', () => {
  const on = (more: Partial<PlanMember> = {}): PlanMember => seen('db', 'PoweredOn', 0, more);
  const off = { powerState: 'PoweredOff' as const };

  it('a mode changed at the group forces a stuck shutdown at once', () => {
    const starts: ReturnType<typeof workOf>[] = [];
    const world = new World(
      () => ({ takes: Infinity }),
      undefined,
      (_run, { start }) => starts.push(...start.map(workOf)),
    );
    world.send(plan([tier([on()])], { ...off, powerOffMode: 'Soft' }));
    world.send(plan([tier([on()])], { ...off, powerOffMode: 'Hard', revision: 'r2', generation: 2 }));
    expect(world.cancelled).toEqual(['power-off/db']);
    expect(starts.map(({ input }) => input)).toMatchObject([
      { mode: 'Soft' },
      { mode: 'Hard', fence: true, operation: { id: expect.stringContaining('power-off/db/2@') as string } },
    ]);
  });

  it('a mode changed at the VM does, a change of something else does not', () => {
    const world = stuck().send(plan([tier([on({ powerOffMode: 'Soft' })])], off));
    world.send(plan([tier([on({ powerOffMode: 'Soft', observed: status('PoweredOn', 5) })])], off));
    expect(world.cancelled).toEqual([]);
    world.send(plan([tier([on({ powerOffMode: 'TrySoft' })])], off));
    expect(world.cancelled).toEqual(['power-off/db']);
  });

  it('a parked member gets the new mode without a retry', () => {
    const world = new World((id) =>
      id === 'power-off/db' ? { failsAfter: 10, class: 'Permanent' } : { takes: 10 },
    );
    world.send(plan([tier([on({ powerOffMode: 'Soft' })])], off)).pass(world.now + SECOND);
    expect(world.run?.members['db']?.phase).toBe('Parked');
    world.send(plan([tier([on({ powerOffMode: 'Hard' })])], off)).pass();
    expect(world.outcome?.outcome).toBe('Converged');
  });

  it('a gate that is dropped, and a budget that is raised, count at once', () => {
    const gated = stuck().send(plan([tier([seen('db', 'PoweredOff')], { gate: 'Ready' })]));
    gated.send(plan([tier([seen('db', 'PoweredOff')], { gate: 'PoweredOn' })], { revision: 'r2' }));
    expect(gated.openIds).toEqual(['power-on/db/2']);
    const poor = stuck().send(plan([tier([seen('db', 'PoweredOff')])]));
    const { policy } = plan([]);
    poor.send(
      plan([tier([seen('db', 'PoweredOff')])], { policy: { ...policy, operationTimeout: 60 * MINUTE } }),
    );
    expect(poor.openIds).toEqual(['power-on/db/2']);
  });
});

describe('places', () => {
  const full = (): World => new World((id) => ({ takes: id.startsWith('place') ? Infinity : 1000 }));

  it('a member that has its place is healed while a new one waits for room', () => {
    const world = new World().send(plan([tier([vm('db')])])).pass();
    expect(world.outcome?.outcome).toBe('Converged');
    const later = full();
    later.send(plan([tier([seen('db', 'PoweredOff', 5), vm('new')])], { generation: 2, revision: 'r2' }));
    expect(later.openIds).toContain('power-on/db');
    expect(later.openIds).not.toContain('power-on/new');
  });

  it('a skipped member is not placed: the placement call is repeated without it', () => {
    const starts: ReturnType<typeof workOf>[] = [];
    const world = new World(undefined, undefined, (_run, { start }) => starts.push(...start.map(workOf)));
    const fresh = { ...plan([tier([vm('db'), vm('report')])]), placesAhead: true as const };
    world.send(fresh);
    expect(world.say('skipMember', 'report')).toBeUndefined();
    const asked = starts.flatMap(({ activity, input }) =>
      activity === 'place' ? [input.requests.map(({ vm: { name } }) => name)] : [],
    );
    expect(asked).toEqual([['db', 'report'], ['db']]);
  });

  it.each(['PoweredOff', 'Unchanged'] as const)(
    'a VM that waits for room in a group that is to be %s can be skipped, and the others are placed',
    (powerState) => {
      const world = new World();
      world.send(plan([tier([vm('db'), vm('report'), vm('old')])], { powerState, placesAhead: true }));
      expect(world.openIds).toEqual(['place/shop']);
      expect(world.say('markReady', 'report')).toBe('report has reached its gate already');
      expect(world.say('skipMember', 'report')).toBeUndefined();
      world.pass();
      expect(Object.keys(world.outcome?.placements ?? {})).toEqual(['db', 'old']);
      expect(world.outcome).toMatchObject({
        outcome: 'ConvergedWithExceptions',
        exceptions: [{ member: 'report', reason: 'Skipped' }],
      });
    },
  );

  it('an optional member without room holds nothing up, and a retry asks for it again', () => {
    const world = new World();
    world.full = ['report'];
    const waits = seen('late', 'PoweredOff', 0, { link: 'NotFound' });
    world.send(plan([tier([vm('db'), vm('report', { optional: true })]), tier([waits])]));
    world.pass(world.now + 10 * SECOND);
    expect(world.run?.members).toMatchObject({
      db: { phase: 'Done' },
      report: { phase: 'LeftAlone', leftAlone: { reason: 'NoRoom', message: 'no host has room' } },
    });
    world.full = [];
    expect(world.say('retryMember', 'report')).toBeUndefined();
    world.pass(world.now + 10 * SECOND);
    expect(world.run?.members['report']?.phase).toBe('Done');
  });

  it('the outcome names an optional member without room', () => {
    const world = new World();
    world.full = ['report'];
    world.send(plan([tier([vm('db'), vm('report', { optional: true })])])).pass();
    expect(world.outcome).toMatchObject({
      outcome: 'ConvergedWithExceptions',
      exceptions: [{ member: 'report', reason: 'NoRoom' }],
    });
  });

  it('a retry without a name makes a failing call for places at once', () => {
    const world = full().send(plan([tier([vm('db')])]));
    expect(world.say('retryMember')).toBe('no member is parked or failing');
    world.report('place/shop', 7);
    expect(world.say('retryMember')).toBeUndefined();
    expect(world.cancelled).toEqual(['place/shop']);
    expect(world.openIds).toEqual(['place/shop/2']);
  });

  it('PLANS-4: a group that leaves its parent places its members itself', () => {
    const child = plan([tier([seen('a', 'PoweredOff')])], {
      name: 'child',
      root: 'shop',
      lineage: 'shop/child',
    });
    const world = stuck().send(child, { placed: true });
    const alone = plan([tier([seen('a', 'PoweredOff'), vm('b')])], {
      name: 'child',
      root: 'child',
      lineage: 'child',
    });
    world.send(alone);
    expect(world.openIds).toContain('place/child');
  });
});

describe('fencing', () => {
  function superseded(run: Run, activityId: string, sequence: number, caller: string): Run {
    const failure = { class: 'Superseded', message: 'newer', failures: [], recorded: { sequence, caller } };
    return operationsEnded(run, [{ activityId, at: NOW, failure }], () => true);
  }

  function open(): Run {
    return nextSteps(
      begin({ plan: plan([tier([seen('db', 'PoweredOff')])]), cause: 'SpecChanged' }, NOW),
      NOW,
    ).run;
  }

  const AHEAD = NOW + 3_600_000;

  it('OPERATIONS-2: goes past what an earlier run of the group has recorded under a clock that was ahead', () => {
    const { start, run } = nextSteps(
      superseded(open(), 'power-on/db', AHEAD, 'vmgroup/production/shop'),
      NOW + 1,
    );
    expect(start).toMatchObject([{ input: { operation: { sequence: AHEAD + 1 }, fence: true } }]);
    expect(run.members['db']?.parked).toBeUndefined();
  });

  it('OPERATIONS-2: gives up after three in a row', () => {
    let run = open();
    for (let round = 1; round <= 4; round += 1) {
      const id = run.members['db']?.operation?.activityId ?? '';
      run = nextSteps(superseded(run, id, AHEAD * round, 'vmgroup/production/shop'), NOW + round).run;
    }
    expect(run.members['db']?.phase).toBe('Parked');
  });

  it("another caller's newer operation parks the member, and an operator's retry gets past it", () => {
    const world = new World(() => ({ takes: Infinity })).send(plan([tier([seen('db', 'PoweredOff')])]));
    world.run = superseded(world.run as Run, 'power-on/db', AHEAD, 'vmgroup/production/other');
    world.step();
    expect(world.run?.members['db']).toMatchObject({ phase: 'Parked', parked: { class: 'Superseded' } });
    expect(world.say('retryMember', 'db')).toBeUndefined();
    expect(world.run?.members['db']?.operation?.sequence).toBe(AHEAD + 1);
  });

  it('a record beyond every sequence moves nothing', () => {
    const { run } = nextSteps(superseded(open(), 'power-on/db', 1e300, 'vmgroup/production/shop'), NOW + 1);
    expect(run.sequence).toBe(NOW);
    expect(run.members['db']?.phase).toBe('Parked');
  });

  it('PLACING-1: places are asked for again with a greater sequence', () => {
    const placing = nextSteps(begin({ plan: plan([tier([vm('db')])]), cause: 'SpecChanged' }, NOW), NOW).run;
    const failure = {
      class: 'Superseded',
      message: 'given back',
      failures: [],
      recorded: { sequence: AHEAD, caller: 'vmgroup/production/shop' },
    };
    const { start } = nextSteps(placementFailed(placing, 'place/shop', failure), NOW + 1);
    expect(start).toMatchObject([{ activityId: 'place/shop/2', input: { sequence: AHEAD + 1 } }]);
  });
});

describe('clocks and other plans', () => {
  it('PLANNER-2: a clock that goes back a day makes no delay longer than itself', () => {
    const tiers = [
      tier([seen('db', 'PoweredOn', NOW)]),
      tier([seen('app', 'PoweredOff')], { powerOnDelay: 30 * SECOND }),
    ];
    const run = nextSteps(begin({ plan: plan(tiers), cause: 'SpecChanged' }, NOW), NOW).run;
    const back = NOW - 86_400_000;
    expect(nextSteps(run, back).wake?.at).toBeLessThanOrEqual(back + 30 * SECOND);
  });

  it('OPERATIONS-1: the outcome of another plan does not count for a nested group', () => {
    const child = plan([tier([seen('a', 'PoweredOff')])], {
      name: 'child',
      root: 'shop',
      lineage: 'shop/child',
    });
    const parent = plan([tier([group(child)]), tier([seen('front', 'PoweredOff')])]);
    const { run } = nextSteps(begin({ plan: parent, cause: 'SpecChanged' }, NOW), NOW);
    const placedRun = nextSteps({ ...run, placements: { a: { zoneID: 'z' } } }, NOW).run;
    const outcome = {
      outcome: 'Converged' as const,
      message: '',
      revision: child.revision,
      generation: 1,
      lineage: child.lineage,
      powerState: 'PoweredOff' as const,
      startedAt: NOW,
      endedAt: NOW,
      operations: 1,
      exceptions: [],
      observed: {},
      placements: {},
      corrections: {},
      words: [],
    };
    const end = {
      activityId: 'power-on/VirtualMachineGroup/child',
      at: NOW,
      result: { kind: 'VirtualMachineGroup' as const, outcome },
    };
    const { start } = nextSteps(
      operationsEnded(placedRun, [end], () => true),
      NOW + 1,
    );
    expect(start).toMatchObject([{ activity: 'confirm', input: { activity: 'powerGroup' } }]);
    expect(start.map(({ activityId }) => activityId)).not.toContain('power-on/front');
  });

  it('members that only their gate keeps are counted as powered on', () => {
    const world = new World(() => ({ failsAfter: 10, class: 'GateTimeout' }));
    const late = { gate: 'Ready' as const, whenParked: 'Continue' as const };
    world
      .send(plan([tier([seen('gw', 'PoweredOff')], late), tier([seen('app', 'PoweredOff')], late)]))
      .pass();
    expect(world.outcome?.message).toMatch(/^2 of 2 members PoweredOn, 0 of 2 ready; /);
  });

  it('a pause from outside shows who, why and the way out', () => {
    const world = stuck().send(plan([tier([seen('db', 'PoweredOff')])]));
    const run = world.run as Run;
    const operation = run.members['db']?.operation;
    if (operation) operation.paused = { at: NOW, by: 'alice@ops', reason: 'storage is being moved' };
    expect(progressOf(run).members).toMatchObject([
      {
        paused: { by: 'alice@ops' },
        waitsFor: 'an operator to unpause activity power-on/db, paused by alice@ops (storage is being moved)',
      },
    ]);
  });

  it('PLANS-1: a plan of the same digest is not refused as older', () => {
    const run = begin({ plan: plan([], { generation: 5 }), cause: 'SpecChanged', digest: 'd' }, NOW);
    const again = receivePlan(
      run,
      { plan: plan([], { generation: 4 }), cause: 'SpecChanged', digest: 'd' },
      NOW,
    );
    expect(again).toBe(run);
  });
});
