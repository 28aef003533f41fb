/** The planner's rules, one table or case a rule. */
import type { VirtualMachineStatus } from '../../api';
import type { Plan, PlanMember, PlanTier, PowerInput } from '../../contract';
import { carried, unpacked } from '../../workflows/carried-run';
import { CHANGES } from '../../workflows/changes';
import { cleaningUp } from '../../workflows/clean-up';
import { progressOf } from '../../workflows/progress';
import { nextSteps } from '../../workflows/planner';
import { released } from '../../workflows/placing';
import { begin, receivePlan } from '../../workflows/plans';
import { withdrawn, type Run } from '../../workflows/state';
import { group, MINUTE, plan, SECOND, seen, status, tier, vm } from './plans';
import { waves, World, type Fate } from './world';

function threeTiers(more: Partial<PlanTier>[] = []): PlanTier[] {
  return [
    tier([vm('db-1'), vm('db-2')], more[0]),
    tier([vm('app-1'), vm('app-2')], { powerOnDelay: 30 * SECOND, ...more[1] }),
    tier([vm('web-1'), vm('web-2')], { powerOnDelay: 20 * SECOND, ...more[2] }),
  ];
}

function running(): PlanTier[] {
  return [
    tier([seen('db-1', 'PoweredOn'), seen('db-2', 'PoweredOn')]),
    tier([seen('app-1', 'PoweredOn')], { powerOnDelay: 30 * SECOND }),
    tier([seen('web-1', 'PoweredOn')], { powerOnDelay: 20 * SECOND }),
  ];
}

describe('PLANNER-6: placing', () => {
  const rules = { cpus: 1, memory: 1, labels: { app: 'web' } };
  const beside = [{ name: 'other', uid: 'uid-other', labels: { app: 'db' } }];
  const never = (): World => new World((id) => ({ takes: id.startsWith('place') ? Infinity : 1000 }));
  const placing = (world: World): string[] => world.openIds.filter((id) => id.startsWith('place'));

  it('asks for those without a place, and tells what rules see of the others', () => {
    const tiers = [
      tier([
        vm('a', { requests: rules }),
        seen('b', 'PoweredOff', 0, { requests: rules, locator: 'uuid:b' }),
        vm('c'),
      ]),
    ];
    const starts: unknown[] = [];
    new World(undefined, undefined, (_run, { start }) => starts.push(...start)).send(plan(tiers, { beside }));
    const ref = (name: string): object => ({ namespace: 'production', name, uid: `uid-${name}` });
    expect(starts).toMatchObject([
      {
        activity: 'place',
        input: {
          requests: [
            { vm: ref('a'), ...rules },
            { vm: ref('c'), cpus: 0, memory: 0 },
          ],
          beside: [
            { vm: ref('other'), labels: { app: 'db' } },
            { vm: { ...ref('b'), locator: 'uuid:b' }, labels: { app: 'web' } },
          ],
        },
      },
      // It has its place.
      { activityId: 'power-on/b' },
    ]);
  });

  it('asks again if what it waits for has changed: requests, rules, members, or VMs outside the tree', () => {
    const first = plan([tier([vm('a', { requests: rules })])], { beside: [] });
    const changes = [
      plan([tier([vm('a', { requests: { ...rules, cpus: 2 } })])], { beside: [] }),
      plan([tier([vm('a', { requests: { ...rules, labels: {} } })])], { beside: [] }),
      plan([tier([vm('a', { requests: rules }), vm('b')])], { beside: [] }),
      plan([tier([vm('a', { requests: rules })])], { beside }),
    ];
    for (const change of changes) {
      const world = never().send(first);
      const [before] = placing(world);
      world.send(change);
      expect(world.cancelled).toEqual([before]);
      expect(placing(world)).toHaveLength(1);
      expect(placing(world)).not.toEqual([before]);
    }
  });

  it('continues if nothing of that has changed, and under plans of older versions', () => {
    const same = never().send(plan([tier([vm('a', { requests: rules })])], { beside }));
    const old = never().send(plan([tier([vm('a', { requests: rules })])]));
    same.send(plan([tier([vm('a', { requests: rules })], { gate: 'Ready' })], { beside }));
    old.send(plan([tier([vm('a', { requests: { ...rules, cpus: 2 } })])]));
    expect([...same.cancelled, ...old.cancelled]).toEqual([]);
  });
});

describe('a run that clears up after one that was terminated', () => {
  const input = {
    runId: 'r1',
    actor: 'anna@host',
    reason: 'wrong button',
    message: 'Terminated by anna@host',
  };
  const cleaning = (of: ReturnType<typeof plan>): World => {
    const world = new World();
    world.run = cleaningUp({ ...input, plan: of }, world.now);
    return world.step();
  };

  it('CLEAN-UP-1, CLEAN-UP-2: gives back every place of the tree, asks for nothing, and names who ended the run', () => {
    const nested = plan([tier([seen('n-1', 'PoweredOff')])], { name: 'inner', uid: 'uid-inner' });
    const world = cleaning(
      plan([tier([seen('a', 'PoweredOn'), vm('gone', { link: 'NotFound' })]), tier([group(nested)])]),
    );
    expect(world.outcome).toBeUndefined();
    world.pass();
    expect(world.asked).toEqual([]);
    expect(world.released.map(({ vms }) => vms.map(({ name }) => name))).toEqual([['a', 'n-1']]);
    expect(world.outcome).toMatchObject({
      outcome: 'Cancelled',
      message: 'Terminated by anna@host; no place is kept for a, n-1',
      released: ['a', 'n-1'],
      words: [{ verb: 'abort', actor: 'anna@host', reason: 'wrong button' }],
      operations: 0,
    });
    // What was observed of a VM before its place went says nothing.
    expect(world.outcome?.observed).toEqual({});
  });

  it('ends at once if the plan has no places', () => {
    const world = cleaning(plan([tier([seen('a', 'PoweredOn')])], { powerState: 'PoweredOff' }));
    expect(world.released).toEqual([]);
    expect(world.outcome).toMatchObject({ outcome: 'Cancelled', message: 'Terminated by anna@host' });
    expect(world.outcome?.observed).toMatchObject({ a: { powerState: 'PoweredOn', uid: 'uid-a' } });
    expect(Object.keys(world.outcome?.observed ?? {})).toEqual(['a']);
  });

  it('CLEAN-UP-1: continues like any run once an operator asks', () => {
    const shop = plan([tier([seen('a', 'PoweredOff')])]);
    const world = cleaning(shop);
    world.send(shop, { cause: 'Asked', actor: 'bert', reason: 'again' }).pass();
    expect(world.outcome).toMatchObject({ outcome: 'Converged', operations: 1 });
  });

  it('stays as it is if the same plan is sent again', () => {
    const shop = plan([tier([seen('a', 'PoweredOff')])]);
    const world = cleaning(shop);
    world.send(shop).pass();
    expect(world.outcome).toMatchObject({ outcome: 'Cancelled', operations: 0 });
  });
});

describe('a tier whose only member is optional and has no room', () => {
  it('is not done before its turn has come, and the run does not wait for it', () => {
    const world = new World();
    world.full = ['extra'];
    const tiers = [tier([vm('db')]), tier([vm('extra', { optional: true })]), tier([vm('web')])];
    const phases = (): string[] => progressOf(world.run!).tiers.map(({ phase }) => phase);
    world.send(plan(tiers)).pass(world.now + 1);
    while (world.run?.members['extra']?.leftAlone === undefined) world.pass(world.now + 100);
    expect(phases()).toEqual(['Running', 'Pending', 'Pending']);
    expect(progressOf(world.run).tiers[1]).toMatchObject({ done: 0, total: 1 });
    world.pass();
    expect(phases()).toEqual(['Done', 'Done', 'Done']);
    expect(world.outcome?.outcome).toBe('ConvergedWithExceptions');
  });
});

describe('PLANNER-8: giving back', () => {
  const names = (world: World): string[][] => world.released.map(({ vms }) => vms.map(({ name }) => name));
  const first = (world: World): World => world.pass(1_000_500);

  it('the places of VMs that were asked for power stay, the others are free, and the outcome says so', () => {
    const world = first(new World().send(plan(threeTiers())));
    world.say('abort');
    expect(progressOf(world.run!).placement.phase).toBe('Releasing');
    world.pass();
    expect(names(world)).toEqual([['app-1', 'app-2', 'web-1', 'web-2']]);
    expect(world.outcome).toMatchObject({ released: ['app-1', 'app-2', 'web-1', 'web-2'] });
    expect(Object.keys(world.outcome?.placements ?? {})).toEqual(['db-1', 'db-2']);
  });

  it('also those without an answer: the request may have arrived, and the release comes after it', () => {
    const asked: number[] = [];
    const world = new World(undefined, undefined, (_run, { start }) => {
      for (const each of start) if (each.activity === 'place') asked.push(each.input.sequence ?? NaN);
    }).send(plan(threeTiers()));
    world.say('abort');
    expect(world.cancelled).toEqual(['place/shop']);
    expect(names(world.pass())).toEqual([['db-1', 'db-2', 'app-1', 'app-2', 'web-1', 'web-2']]);
    expect(world.released[0]?.sequence).toBeGreaterThan(asked[0] ?? NaN);
    expect(world.outcome).toMatchObject({ outcome: 'Cancelled', placements: {} });
  });

  it('a group that is gone gives back as well, VMs of nested groups too', () => {
    const nested = plan([tier([vm('n-1')])], { name: 'inner', uid: 'uid-inner' });
    const world = first(
      new World().send(plan([tier([vm('a')]), tier([group(nested)], { powerOnDelay: MINUTE })])),
    );
    world.run = withdrawn(world.run!, 'the group was deleted');
    world.step().pass();
    expect(names(world)).toEqual([['n-1']]);
    expect(world.outcome).toMatchObject({ outcome: 'Superseded', released: ['n-1'] });
  });

  it('nothing is asked where nothing was promised, or where a parent has placed the tree', () => {
    const there = first(
      new World().send(
        plan(
          running()
            .slice(0, 1)
            .concat(tier([vm('b', { link: 'NotFound' })])),
        ),
      ),
    );
    there.say('abort');
    expect(there.outcome).toMatchObject({ outcome: 'Cancelled', message: 'Aborted by alice: test' });
    const child = first(new World().send(plan(threeTiers()), { placed: true }));
    child.say('abort');
    expect(child.outcome?.outcome).toBe('Cancelled');
    expect([...there.released, ...child.released]).toEqual([]);
  });

  it('if the platform does not answer, the outcome says that the places are unknown, and they stay recorded', () => {
    const world = first(new World().send(plan(threeTiers())));
    world.say('abort');
    world.run = released(world.run!, 'release/shop', { failure: 'the platform is away' });
    expect(world.step().outcome).toMatchObject({
      message:
        'Aborted by alice: test; whether places are still kept for app-1, app-2, web-1, web-2 is not known: the platform is away',
    });
    expect(world.outcome?.released).toBeUndefined();
    expect(Object.keys(world.outcome?.placements ?? {})).toHaveLength(6);
  });

  it('PLACING-2: a change of the desired state in the middle asks again for every place, regardless of observations', () => {
    const world = first(new World().send(plan(threeTiers())));
    world.say('abort');
    const again = threeTiers().map((each) => ({
      ...each,
      members: each.members.map(({ name }) => seen(name, 'PoweredOff', world.now)),
    }));
    world.send(plan(again, { generation: 2, revision: 'r2' }));
    expect(world.cancelled).toContain('release/shop');
    expect(world.openIds).toContain('place/shop/2');
    world.pass();
    expect(world.outcome).toMatchObject({ outcome: 'Converged' });
    expect(world.outcome?.released).toBeUndefined();
    expect(world.released).toHaveLength(1);
  });

  it('a run that ends by itself keeps its places', () => {
    const fails = new World((id) =>
      id === 'power-on/db-1' ? { failsAfter: 10, class: 'Permanent' } : { takes: 10 },
    );
    const [db, ...rest] = threeTiers([{ whenParked: 'Fail' }]);
    fails.send(plan([db!, ...rest])).pass();
    expect(fails.outcome?.outcome).toBe('Failed');
    expect(fails.released).toEqual([]);
  });
});

describe('power on', () => {
  it('PLANNER-1 PLANNER-2: walks the tiers in order, and waits each delay after the tier before is done', () => {
    const world = new World().send(plan(threeTiers()));
    const began = world.now;
    world.pass();
    expect(waves(world)).toEqual([
      ['db-1', 'db-2'],
      ['app-1', 'app-2'],
      ['web-1', 'web-2'],
    ]);
    expect(world.asked.map(({ at }) => at - began)).toEqual([0, 0, 31_000, 31_000, 52_000, 52_000]);
    expect(world.timers.map(({ summary }) => summary)).toEqual([
      'tier 2 of 3: wait 30s before app-1, app-2',
      'tier 3 of 3: wait 20s before web-1, web-2',
    ]);
    expect(world.outcome).toMatchObject({
      outcome: 'Converged',
      operations: 6,
      message: '6 of 6 members PoweredOn',
    });
  });

  it('waits the delay of the first tier too', () => {
    const world = new World().send(plan([tier([vm('a')], { powerOnDelay: 5 * SECOND })]));
    const began = world.now;
    expect(world.pass().asked[0]?.at).toBe(began + 5000);
  });

  it('PLANNER-1: the slowest member holds its tier', () => {
    const world = new World((id) => ({ takes: id.endsWith('db-2') ? 90_000 : 1000 })).send(
      plan(threeTiers()),
    );
    const began = world.now;
    expect(world.pass().asked.find(({ member }) => member === 'app-1')?.at).toBe(began + 120_000);
  });

  it('PLANNER-3: does not touch VMs that are on, and ends at once where all are', () => {
    const world = new World().send(plan(running()));
    expect(world.asked).toEqual([]);
    expect(world.outcome?.outcome).toBe('Converged');
  });

  it('PLANNER-2: counts a delay from when the tier before came up, also where that was before the run', () => {
    const half = new World();
    const at = half.now - 10 * SECOND;
    half.send(
      plan([
        tier([seen('db', 'PoweredOn', at)]),
        tier([seen('app', 'PoweredOff', at)], { powerOnDelay: 30 * SECOND }),
      ]),
    );
    const began = half.now;
    expect(half.pass().asked[0]?.at).toBe(began + 20_000);

    const long = new World();
    long.send(
      plan([
        tier([seen('db', 'PoweredOn', 0)]),
        tier([seen('app', 'PoweredOff', 0)], { powerOnDelay: 30 * SECOND }),
      ]),
    );
    expect(long.asked[0]?.at).toBe(long.now);
  });

  it('PLANNER-6: places all VMs of the tree together before the first power-on', () => {
    const nested = plan([tier([vm('n-1')])], { name: 'inner', uid: 'uid-inner' });
    const world = new World();
    world.send(plan([tier([vm('a')]), tier([group(nested)])]));
    expect(world.openIds).toEqual(['place/shop']);
    expect(world.asked).toEqual([]);
    world.pass();
    expect(world.outcome?.placements).toHaveProperty('n-1');
    expect(world.asked.map(({ activityId }) => activityId)).toEqual([
      'power-on/a',
      'power-on/VirtualMachineGroup/inner',
    ]);
  });

  describe('PLANNER-7: where VMs come into being only once they are placed', () => {
    const ahead = { placesAhead: true } as const;

    it.each(['PoweredOff', 'Suspended', 'Unchanged'] as const)(
      '%s: they are placed all the same',
      (powerState) => {
        const nested = plan([tier([vm('n')])], { name: 'inner', uid: 'uid-inner', powerState, ...ahead });
        const world = new World();
        world.send(
          plan([tier([vm('a'), seen('b', 'PoweredOff')]), tier([group(nested)])], { powerState, ...ahead }),
        );
        expect(world.openIds).toContain('place/shop');
        world.pass();
        expect(Object.keys(world.outcome?.placements ?? {})).toEqual(['a', 'n']);
        expect(world.outcome).toMatchObject({ outcome: 'Converged' });
        expect(world.asked.filter(({ member }) => member === 'a' || member === 'b')).toEqual([]);
      },
    );

    it('a group that leaves power alone asks for no operation, whatever is observed, and a force sync changes nothing', () => {
      const members = [seen('on', 'PoweredOn'), seen('off', 'PoweredOff'), vm('new', { link: 'NotFound' })];
      const world = new World();
      world.send(plan([tier(members)], { powerState: 'Unchanged', forceSync: 'now@1', ...ahead }));
      expect(world.openIds).toEqual([]);
      expect(world.outcome).toMatchObject({
        outcome: 'Converged',
        operations: 0,
        message: '3 of 3 members placed',
      });
    });

    it.each([
      ['while one of two platforms is asked', vm('b', { platform: 'other' }), true],
      ['before a VM joins', vm('b'), false],
    ])('a run that is paused %s does not end before all have a place', (_title, b, isThere) => {
      const settings = { powerState: 'Unchanged' as const, beside: [], ...ahead };
      const world = new World().send(plan([tier(isThere ? [vm('a'), b] : [vm('a')])], settings));
      world.say('pause');
      if (!isThere) world.send(plan([tier([vm('a'), b])], { ...settings, generation: 2, revision: 'r2' }));
      world.pass();
      expect(world.outcome).toBeUndefined();
      expect(progressOf(world.run!)).toMatchObject({ phase: 'Paused', placement: { phase: 'Pending' } });
      world.say('resume');
      world.pass();
      expect(Object.keys(world.outcome?.placements ?? {})).toEqual(['a', 'b']);
    });

    it('a VM is another one with another uid', () => {
      const world = new World((_id, start) => ({ takes: start.activity === 'place' ? 0 : 60_000 }));
      world.send(plan([tier([vm('a')])], ahead));
      world.pass(world.now + 1);
      expect(world.openIds).toEqual(['power-on/a']);
      world.send(plan([tier([vm('a', { uid: 'uid-2' })])], ahead));
      expect(world.openIds).toContain('place/shop/2');
    });
  });

  it('a parent that has placed the tree leaves nothing to place', () => {
    const world = new World().send(plan([tier([vm('a')])]), { cause: 'Parent', placed: true });
    expect(world.openIds).toEqual(['power-on/a']);
  });
});

describe('gates', () => {
  const probe = { tcpSocket: { port: 5432 }, period: 500, timeout: 1_000, successThreshold: 1 };

  it.each([
    ['PoweredOn', true, ['a']],
    ['Ready', true, ['a', 'b']],
  ] as const)('%s', (gate, _on, asked) => {
    const world = new World().send(plan([tier([seen('a', 'PoweredOff'), seen('b', 'PoweredOn')], { gate })]));
    world.pass();
    expect(world.asked.map(({ member }) => member)).toEqual(asked);
  });

  it('Probe: a VM that is on is asked too, once in a run, and the next tier waits for its answer', () => {
    const members = [seen('a', 'PoweredOn')];
    const world = new World().send(
      plan([tier(members, { gate: 'Probe', probe }), tier([seen('b', 'PoweredOff')])]),
    );
    expect(world.asked.map(({ member }) => member)).toEqual(['a']);
    world.pass(world.now + 1_000);
    expect(world.asked.map(({ member }) => member)).toEqual(['a', 'b']);
    world.send(plan([tier(members, { gate: 'Probe', probe }), tier([seen('b', 'PoweredOff')])]));
    expect(world.pass().outcome).toMatchObject({ outcome: 'Converged' });
    expect(world.asked.map(({ member }) => member)).toEqual(['a', 'b']);
  });

  it('Probe: an operation has the probe of its member, else of its tier, and a changed one replaces it', () => {
    const inputs: Record<string, PowerInput> = {};
    const world = new World((_, start) => {
      if (start.activity === 'powerOn') inputs[start.activityId] = start.input;
      return { takes: 60_000 };
    });
    const other = { ...probe, tcpSocket: { port: 80 } };
    const of = (own: Partial<PlanMember>): Plan =>
      plan([
        tier(
          [
            seen('a', 'PoweredOff', 0, own),
            seen('b', 'PoweredOff'),
            seen('c', 'PoweredOff', 0, { gate: 'PoweredOn' }),
          ],
          {
            gate: 'Probe',
            probe,
          },
        ),
      ]);
    world.send(of({ probe: other, gateTimeout: 7 }));
    expect(inputs['power-on/a']).toMatchObject({ gate: 'Probe', probe: other, gateTimeout: 7 });
    expect(inputs['power-on/b']).toMatchObject({ gate: 'Probe', probe, gateTimeout: 10 * MINUTE });
    expect(inputs['power-on/c']).toMatchObject({ gate: 'PoweredOn' });
    expect(inputs['power-on/c']).not.toHaveProperty('probe');
    world.send(of({}));
    expect(world.cancelled).toEqual(['power-on/a']);
    expect(inputs['power-on/a/2']).toMatchObject({ probe });
  });

  it('None: the next tier starts as soon as this one was asked, and the run still waits for all', () => {
    const world = new World(() => ({ takes: 60_000 })).send(
      plan([
        tier([seen('a', 'PoweredOff')], { gate: 'None' }),
        tier([seen('b', 'PoweredOff')], { powerOnDelay: 10 * SECOND }),
      ]),
    );
    const began = world.now;
    world.pass(began + 10_000);
    expect(world.asked.map(({ member, at }) => [member, at - began])).toEqual([
      ['a', 0],
      ['b', 10_000],
    ]);
    expect(world.pass().outcome?.outcome).toBe('Converged');
  });

  it('quorum: enough members make a tier done, the others continue', () => {
    const world = new World((id) => ({ takes: id.endsWith('db-2') ? 600_000 : 1000 })).send(
      plan(threeTiers([{ quorum: 1 }])),
    );
    const began = world.now;
    world.pass(began + 31_000);
    expect(world.asked.map(({ member }) => member)).toContain('app-1');
    expect(world.pass().outcome?.outcome).toBe('Converged');
    expect(world.now).toBe(began + 600_000);
  });

  it('optional members hold nothing up', () => {
    const world = new World((id) =>
      id.endsWith('x') ? { failsAfter: 500, class: 'Permanent' } : { takes: 1000 },
    ).send(
      plan([
        tier([vm('x', { optional: true }), vm('ghost', { optional: true, link: 'NotFound' }), vm('a')]),
        tier([vm('b')]),
      ]),
    );
    world.pass();
    expect(world.asked.map(({ member }) => member)).toEqual(['x', 'a', 'b']);
    expect(world.outcome).toMatchObject({ outcome: 'ConvergedWithExceptions' });
    expect(world.outcome?.exceptions.map(({ member, reason }) => [member, reason])).toEqual([
      ['x', 'Parked'],
      ['ghost', 'NotFound'],
    ]);
  });
});

describe('parked members', () => {
  const failing = (id: string): { takes: number } | { failsAfter: number; class: string } =>
    id === 'power-on/db-1' ? { failsAfter: 1000, class: 'Permanent' } : { takes: 1000 };

  it('Hold: the next tier waits for an operator, and retryMember brings the run to its end', () => {
    const world = new World(failing).send(plan(threeTiers()));
    world.pass();
    expect(world.outcome).toBeUndefined();
    expect(progressOf(world.run!)).toMatchObject({
      phase: 'Waiting',
      members: [
        { member: 'db-1', phase: 'Parked', waitsFor: 'an operator: retryMember, skipMember or markReady' },
        {},
        {},
        {},
        {},
        {},
      ],
    });
    expect(world.say('retryMember', 'db-1')).toBeUndefined();
    world.pass();
    expect(world.outcome?.outcome).toBe('Converged');
    expect(world.asked.filter(({ member }) => member === 'db-2')).toHaveLength(1);
    expect(world.asked.map(({ activityId }) => activityId)).toContain('power-on/db-1/2');
  });

  it('Continue: the rest continues, and the run ends with the exception', () => {
    const world = new World(failing).send(plan(threeTiers([{ whenParked: 'Continue' }])));
    world.pass();
    expect(world.asked).toHaveLength(6);
    expect(world.outcome).toMatchObject({
      outcome: 'ConvergedWithExceptions',
      message: '5 of 6 members PoweredOn; db-1 Parked: Permanent: power-on/db-1 failed',
      exceptions: [{ member: 'db-1', reason: 'Parked' }],
    });
  });

  it('a message that would name very many stays short; the list has them all', () => {
    const members = Array.from({ length: 30 }, (_, index) => vm(`vm-${index}`));
    const world = new World(() => ({ failsAfter: 1, class: 'Permanent' })).send(
      plan([tier(members, { whenParked: 'Continue' })]),
    );
    world.pass();
    expect(world.outcome?.exceptions).toHaveLength(30);
    expect(world.outcome?.message).toMatch(/^0 of 30 members PoweredOn; vm-0 Parked.*; and 25 more$/);
  });

  it('Fail: what is open ends, nothing more starts, the run has failed', () => {
    const world = new World((id) => (id === 'power-on/db-2' ? { takes: 60_000 } : failing(id))).send(
      plan(threeTiers([{ whenParked: 'Fail' }])),
    );
    const began = world.now;
    world.pass();
    expect(world.now).toBe(began + 60_000);
    expect(world.asked).toHaveLength(2);
    expect(world.outcome).toMatchObject({
      outcome: 'Failed',
      exceptions: expect.arrayContaining([
        { member: 'app-1', reason: 'NotStarted', message: expect.any(String) as string },
      ]) as unknown,
    });
  });

  it('one that was seen in its desired state is tried again, which fences off what was given up, and the run continues', () => {
    const world = new World(failing).send(plan(threeTiers()));
    world.pass();
    const tiers = threeTiers();
    tiers[0]!.members[0] = seen('db-1', 'PoweredOn', world.now);
    world.send(plan(tiers), { cause: 'SpecChanged' }).pass();
    expect(world.run?.members['db-1']?.phase).toBe('Parked');
    tiers[0]!.members[0] = seen('db-1', 'PoweredOn', world.now, { recovered: true });
    world.send(plan(tiers), { cause: 'Recovered' });
    expect(world.run?.members['db-1']?.operation).toMatchObject({
      activityId: 'power-on/db-1/2',
      fence: true,
    });
    expect(world.pass().outcome).toMatchObject({ outcome: 'Converged', exceptions: [] });
  });

  it('a new revision gives a parked member a new chance', () => {
    const world = new World(failing).send(plan(threeTiers()));
    world.pass();
    world.send(plan(threeTiers(), { revision: 'r2', generation: 2 })).pass();
    expect(world.outcome?.outcome).toBe('Converged');
  });
});

describe('power off and suspend', () => {
  const off = { powerState: 'PoweredOff' } as const;

  it('powers all members off at once where no tier has a delay', () => {
    const world = new World().send(plan(running(), off));
    expect(world.asked.map(({ activityId }) => activityId)).toEqual([
      'power-off/db-1',
      'power-off/db-2',
      'power-off/app-1',
      'power-off/web-1',
    ]);
    expect(world.pass().outcome?.outcome).toBe('Converged');
  });

  it('walks in reverse with powerOffDelay, the last tier too', () => {
    const tiers = running();
    tiers[2] = { ...tiers[2]!, powerOffDelay: 10 * SECOND };
    tiers[0] = { ...tiers[0]!, powerOffDelay: 20 * SECOND };
    const world = new World().send(plan(tiers, off));
    const began = world.now;
    world.pass();
    expect(world.asked.map(({ member, at }) => [member, at - began])).toEqual([
      ['web-1', 10_000],
      ['app-1', 11_000],
      ['db-1', 32_000],
      ['db-2', 32_000],
    ]);
  });

  it('members that do not exist are no hindrance', () => {
    const world = new World().send(
      plan([tier([vm('ghost', { link: 'NotFound' }), seen('a', 'PoweredOn')])], off),
    );
    expect(world.pass().outcome?.outcome).toBe('Converged');
  });

  it('a VM that was never seen is off', () => {
    const world = new World().send(plan([tier([vm('a')])], off));
    expect(world.outcome?.outcome).toBe('Converged');
    expect(world.asked).toEqual([]);
  });

  it('suspends all at once, and leaves a VM that is off as it is', () => {
    const world = new World().send(
      plan(
        [tier([seen('a', 'PoweredOn')]), tier([seen('b', 'PoweredOff')]), tier([seen('c', 'PoweredOn')])],
        { powerState: 'Suspended' },
      ),
    );
    expect(world.asked.map(({ activityId }) => activityId)).toEqual(['suspend/a', 'suspend/c']);
    expect(world.pass().outcome?.outcome).toBe('Converged');
  });

  it.each([
    ['PoweredOff', 'Hard', undefined, 'Hard'],
    ['PoweredOff', undefined, 'Soft', 'Soft'],
    ['PoweredOff', 'TrySoft', 'Hard', 'TrySoft'],
    ['PoweredOff', undefined, undefined, undefined],
  ] as const)('%s: mode of the group %s, of the VM %s, asked %s', (powerState, groups, own, asked) => {
    const member = seen('a', 'PoweredOn', 0, own ? { powerOffMode: own } : {});
    const world = new World();
    let mode: unknown = 'none';
    const spying = new World((_id, start) => {
      if (start.activity === 'powerOff') mode = start.input.mode;
      return { takes: 1 };
    });
    spying.send(plan([tier([member])], { powerState, ...(groups ? { powerOffMode: groups } : {}) }));
    expect(mode).toBe(asked);
    expect(world.run).toBeUndefined();
  });
});

describe('members that come and go', () => {
  it('a tier waits for a member that does not exist yet, and names it', () => {
    const missing = [tier([vm('a', { link: 'NotFound' })]), tier([vm('b')])];
    const world = new World().send(plan(missing));
    world.pass();
    expect(world.asked).toEqual([]);
    expect(progressOf(world.run!)).toMatchObject({
      phase: 'Waiting',
      message: 'a missing.',
      members: [{ waitsFor: 'VirtualMachine a to exist' }, {}],
    });
    world.send(plan([tier([vm('a')]), tier([vm('b')])]), { cause: 'MembersChanged' }).pass();
    expect(world.asked.map(({ member }) => member)).toEqual(['a', 'b']);
    expect(world.outcome?.outcome).toBe('Converged');
  });

  it('a member that names another group is not touched', () => {
    const world = new World().send(plan([tier([vm('a', { link: 'NotMember' }), vm('c')]), tier([vm('b')])]));
    world.pass();
    expect(world.asked.map(({ member }) => member)).toEqual(['c']);
    expect(progressOf(world.run!).members[0]?.waitsFor).toBe(
      'spec.groupName of VirtualMachine a to name shop',
    );
  });

  it('a VM that joins a tier that is done is powered on at once, and no delay runs again', () => {
    const world = new World((id) => ({ takes: id.endsWith('web-1') ? 600_000 : 1000 })).send(
      plan(threeTiers()),
    );
    world.pass(world.now + 60_000);
    const timers = world.timers.length;
    const joined = threeTiers();
    joined[0] = tier([vm('db-1'), vm('db-2'), vm('db-3')]);
    world.send(plan(joined, { revision: 'r2', generation: 2 }), { cause: 'MembersChanged' });
    const at = world.now;
    world.pass();
    expect(world.asked.find(({ member }) => member === 'db-3')?.at).toBe(at);
    expect(world.timers).toHaveLength(timers);
    expect(world.outcome?.outcome).toBe('Converged');
  });

  it('a VM that joins a group that is on is powered on without waiting for delays that are long over', () => {
    const tiers = running();
    tiers[2] = tier([...tiers[2]!.members, vm('web-2')], { powerOnDelay: 20 * SECOND });
    const world = new World().send(plan(tiers), { cause: 'MembersChanged' });
    const began = world.now;
    world.pass();
    expect(world.asked.map(({ member, at }) => [member, at - began])).toEqual([['web-2', 0]]);
  });

  describe('PLANS-7: a VM that was deleted and created again', () => {
    const WAIT = 60 * SECOND;
    const tiers = (a: PlanMember): PlanTier[] => [tier([a]), tier([vm('b')], { powerOnDelay: WAIT })];
    const missing: PlanMember = { kind: 'VirtualMachine', name: 'a', link: 'NotFound' };

    /** A group whose first VM is on, while the delay before the second runs. */
    function inDelay(): World {
      const world = new World().send(plan(tiers(vm('a'))));
      world.pass(world.now + 5 * SECOND);
      expect(world.run?.members['a']?.phase).toBe('Done');
      world.states['a'] = 'PoweredOff';
      return world;
    }

    it.each([
      ['at once', [], 'uid-2'],
      ['after a while', [missing], 'uid-2'],
      ['after a while, with the same uid', [missing], 'uid-a'],
    ])('%s: is placed and powered on, and the next tier waits for it', (_title, between, uid) => {
      const world = inDelay();
      for (const member of between) world.send(plan(tiers(member)), { cause: 'MembersChanged' });
      world.send(plan(tiers(vm('a', { uid }))), { cause: 'MembersChanged' });
      expect(world.openIds).toEqual(['place/shop/2']);
      world.pass();
      expect(world.states).toMatchObject({ a: 'PoweredOn', b: 'PoweredOn' });
      const [again, later] = world.asked.slice(-2);
      expect([again?.member, later?.member]).toEqual(['a', 'b']);
      expect((later?.at ?? 0) - (again?.at ?? 0)).toBeGreaterThanOrEqual(WAIT);
    });

    it('stays left out if an operator has skipped it', () => {
      const world = new World(() => ({ failsAfter: 1, class: 'Permanent' })).send(plan(tiers(vm('a'))));
      world.pass();
      world.say('skipMember', 'a');
      world.send(plan(tiers(vm('a', { uid: 'uid-2' }))), { cause: 'MembersChanged' });
      expect(world.run?.members['a']?.phase).toBe('Skipped');
    });

    it('counts as before in a run of an older build', () => {
      const world = inDelay();
      const message = { plan: plan(tiers(vm('a', { uid: 'uid-2' }))), cause: 'MembersChanged' as const };
      expect(receivePlan(world.run!, message, world.now, () => false).members['a']?.reachedAt).toBeDefined();
    });
  });

  it('a member that leaves while it is being powered on is let go', () => {
    const world = new World(() => ({ takes: 60_000 })).send(plan([tier([vm('a'), vm('b')])]));
    world.pass(world.now + 1000);
    world.send(plan([tier([vm('b')])], { revision: 'r2', generation: 2 }));
    expect(world.cancelled).toEqual(['power-on/a']);
    expect(world.pass().outcome).toMatchObject({ outcome: 'Converged', message: '1 of 1 members PoweredOn' });
  });
});

describe('PLANS-9: a VM whose platform cannot be read', () => {
  const unseen = { unseen: true } as const;

  it.each(['PoweredOff', 'Suspended'] as const)(
    'does not count as off: a run to %s operates it',
    (powerState) => {
      const world = new World().send(plan([tier([vm('a', unseen), vm('b')])], { powerState }));
      world.pass();
      expect(world.asked.map(({ member }) => member)).toEqual(['a']);
      expect(world.outcome).toMatchObject({ outcome: 'Converged', message: `2 of 2 members ${powerState}` });
    },
  );

  it('is left alone where power is', () => {
    const world = new World().send(plan([tier([vm('a', unseen)])], { powerState: 'Unchanged' }));
    expect(world.outcome).toMatchObject({ outcome: 'Converged', operations: 0 });
  });

  it('has not left its state if it was seen there before by the run', () => {
    const tiers = (a: PlanMember): PlanTier[] => [tier([a]), tier([vm('b')], { powerOnDelay: MINUTE })];
    const world = new World().send(plan(tiers(vm('a'))));
    world.pass(world.now + 5 * SECOND);
    world.send(plan(tiers(vm('a', unseen))), { cause: 'MembersChanged' });
    expect(world.run?.members['a']).toMatchObject({ phase: 'Done' });
    expect(world.run?.members['a']).not.toHaveProperty('drifted');
  });

  it('counts as off in a run of an older build', () => {
    const off = plan([tier([vm('a', unseen)])], { powerState: 'PoweredOff' });
    const on = begin({ plan: plan([tier([vm('a')])]), cause: 'SpecChanged' }, 1_000);
    const turned = receivePlan(on, { plan: off, cause: 'SpecChanged' }, 2_000, () => false);
    expect(turned.members['a']?.reachedAt).toBeDefined();
    const begun = begin({ plan: off, cause: 'SpecChanged' }, 1_000, () => false);
    expect(begun.members['a']?.reachedAt).toBeDefined();
  });
});

describe('PLANS-8: a member that left while it was being powered on, and comes back once the group is to be off', () => {
  const off = { powerState: 'PoweredOff' } as const;

  /** `a` has left, and what its operation does is unknown. */
  function afterLeaving(): World {
    const world = new World(() => ({ takes: 60_000 })).send(plan([tier([vm('a'), vm('b')])]));
    world.pass(world.now + 1000);
    return world.send(plan([tier([vm('b')])], { ...off, revision: 'r2', generation: 2 }));
  }
  const back = plan([tier([seen('a', 'PoweredOff'), vm('b')])], { ...off, revision: 'r3', generation: 3 });

  it('is fenced off, though it was seen off', () => {
    const world = afterLeaving();
    world.send(back);
    expect(world.openIds).toContain('power-off/a');
    expect(world.fenced).toContain('power-off/a');
    expect(world.pass().outcome).toMatchObject({
      outcome: 'Converged',
      message: '2 of 2 members PoweredOff',
    });
  });

  it('also after the run has continued as new', () => {
    const world = afterLeaving();
    const run = unpacked(carried(world.run!)!);
    const { members } = receivePlan(run, { plan: back, cause: 'SpecChanged' }, world.now);
    expect(members['a']).toMatchObject({ uncertain: true });
    expect(members['a']?.reachedAt).toBeUndefined();
  });

  it('counts as off in a run of an older build', () => {
    const world = afterLeaving();
    const { members } = receivePlan(world.run!, { plan: back, cause: 'SpecChanged' }, world.now, () => false);
    expect(members['a']?.reachedAt).toBeDefined();
  });
});

describe('changes in the middle', () => {
  it('PLANS-2: power-on turned into power-off turns open operations round and drops the rest', () => {
    const world = new World(() => ({ takes: 10_000 })).send(plan(threeTiers()));
    world.pass(world.now + 5000);
    world.send(plan(threeTiers(), { powerState: 'PoweredOff', revision: 'r2', generation: 2 }));
    expect(world.cancelled).toEqual(['power-on/db-1', 'power-on/db-2']);
    expect(world.openIds).toEqual(['power-off/db-1', 'power-off/db-2']);
    world.pass();
    expect(world.outcome?.outcome).toBe('Converged');
    expect(world.states).toMatchObject({ 'db-1': 'PoweredOff', 'db-2': 'PoweredOff', 'app-1': 'PoweredOff' });
  });

  it('PLANS-2: and back again', () => {
    const world = new World(() => ({ takes: 10_000 })).send(plan(threeTiers()));
    world.pass(world.now + 5000);
    world.send(plan(threeTiers(), { powerState: 'PoweredOff', revision: 'r2', generation: 2 }));
    world.pass(world.now + 5000);
    world.send(plan(threeTiers(), { revision: 'r3', generation: 3 }));
    world.pass();
    expect(world.outcome?.outcome).toBe('Converged');
    expect(Object.values(world.states)).toEqual(Array(6).fill('PoweredOn'));
    const sequences = world.asked
      .filter(({ member }) => member === 'db-1')
      .map(({ activityId }) => activityId);
    expect(sequences).toEqual(['power-on/db-1', 'power-off/db-1', 'power-on/db-1/2']);
    expect(world.fenced).toEqual(expect.arrayContaining(['power-off/db-1', 'power-on/db-1/2']));
    expect(world.fenced).not.toContain('power-on/db-1');
  });

  it('PLANS-2: sequences do not run ahead of the clock: the next run may start a moment later', () => {
    const names = Array.from({ length: 500 }, (_, at) => `vm-${at}`);
    const policy = { ...plan([]).policy, maxConcurrentOperations: 1_000 };
    const run = begin(
      { plan: plan([tier(names.map((name) => seen(name, 'PoweredOff')))], { policy }), cause: 'SpecChanged' },
      5_000,
    );
    const { start } = nextSteps(run, 5_000);
    expect(start).toHaveLength(500);
    for (const { input } of start) expect(input).toMatchObject({ operation: { sequence: 5_000 } });
  });

  it('PLANNER-2: a longer delay counts from the same moment; a shorter one that is over ends at once', () => {
    const world = new World().send(plan(threeTiers()));
    const began = world.now;
    world.pass(began + 11_000);
    const longer = threeTiers([{}, { powerOnDelay: 60 * SECOND }]);
    world.send(plan(longer, { revision: 'r2', generation: 2 }));
    world.pass(began + 40_000);
    expect(world.asked).toHaveLength(2);
    const shorter = threeTiers([{}, { powerOnDelay: 5 * SECOND }]);
    world.send(plan(shorter, { revision: 'r3', generation: 3 }));
    expect(world.asked.map(({ member }) => member)).toContain('app-1');
    expect(world.pass().outcome?.outcome).toBe('Converged');
  });

  it('PLANS-1: the same plan again changes nothing, an older one is refused and shown', () => {
    const world = new World(() => ({ takes: 10_000 })).send(plan(threeTiers(), { generation: 5 }));
    world.pass(world.now + 5000);
    const before = JSON.stringify(world.run);
    world.send(plan(threeTiers(), { generation: 5 }));
    expect(JSON.stringify(world.run)).toBe(before);
    world.send(plan(threeTiers(), { generation: 4, powerState: 'PoweredOff', revision: 'old' }));
    const { refusedPlan, ...rest } = world.run ?? {};
    expect(JSON.stringify(rest)).toBe(before);
    expect(refusedPlan).toEqual({ revision: 'old', generation: 4, at: world.now });
    expect(world.cancelled).toEqual([]);
  });

  it('PLANS-1: an older plan that names the plan in force as replaced is taken', () => {
    const world = new World(() => ({ takes: 10_000 }));
    world.send(plan(threeTiers(), { generation: 5 }), { digest: 'five' });
    const older = plan(threeTiers(), { generation: 4, powerState: 'PoweredOff', revision: 'old' });
    world.send(older, { digest: 'four', supersedes: 'another' });
    expect(world.run).toMatchObject({ planDigest: 'five', refusedPlan: { digest: 'four' } });
    world.send(older, { digest: 'four', supersedes: 'five' });
    expect(world.run).toMatchObject({ planDigest: 'four', plan: { powerState: 'PoweredOff' } });
    expect(world.run).not.toHaveProperty('refusedPlan');
  });

  it('OPERATIONS-3: a late result of an operation that was given up changes nothing', () => {
    const world = new World(() => ({ takes: 10_000 })).send(plan([tier([vm('a')])]));
    world.pass(world.now + 1000);
    world.send(plan([tier([vm('a')])], { powerState: 'PoweredOff', revision: 'r2', generation: 2 }));
    const before = JSON.stringify(world.run);
    world.report('power-on/a', 3);
    expect(JSON.stringify(world.run)).toBe(before);
  });

  it('force sync looks at every member once, also where all look in sync, and waits no delay again', () => {
    const world = new World().send(plan(running(), { forceSync: 't1' }), { cause: 'ForceSync' });
    const began = world.now;
    world.pass();
    expect(world.asked.map(({ member }) => member)).toEqual(['db-1', 'db-2', 'app-1', 'web-1']);
    expect(world.now - began).toBe(3000);
    expect(world.outcome).toMatchObject({ outcome: 'Converged', operations: 0, forceSync: 't1' });
  });
});

it('a request for a force sync is recorded once, however often it arrives', () => {
  const bob = { cause: 'ForceSync', actor: 'bob', reason: 'INC-4711' } as const;
  const world = new World().send(plan(running(), { forceSync: 't1' }), bob);
  world.send(plan(running(), { forceSync: 't1' }), bob);
  const word = { verb: 'retryMember', actor: 'bob', reason: 'INC-4711' };
  expect(world.run?.words).toMatchObject([word]);
  world.send(plan(running(), { forceSync: 't2' }), { cause: 'ForceSync' });
  expect(world.run?.words).toMatchObject([word]);
  world.send(plan(running(), { forceSync: 't3' }), { ...bob, actor: 'eve' });
  expect(world.run?.words).toMatchObject([word, { ...word, actor: 'eve' }]);
});

it('a force sync that the last run carried out is not asked for again', () => {
  const tiers = running();
  tiers[0] = tier([seen('db-1', 'PoweredOff', 0, { drifted: true }), seen('db-2', 'PoweredOn')]);
  const world = new World().send(plan(tiers, { forceSync: 't1', syncedAs: 't1' }), { cause: 'Drift' });
  expect(world.pass().asked.map(({ member }) => member)).toEqual(['db-1']);
});

describe('drift', () => {
  const drifted = (at: number, corrections: number[] = []): ReturnType<typeof plan> =>
    plan([tier([seen('a', 'PoweredOff', at, { drifted: true }), seen('b', 'PoweredOn')])], {
      corrections: { a: corrections },
    });

  it('Enforce: brings the VM back and counts the correction', () => {
    const world = new World();
    world.send(drifted(world.now), { cause: 'Drift' });
    const began = world.now;
    world.pass();
    expect(world.outcome).toMatchObject({ outcome: 'Converged', corrections: { a: [began] } });
  });

  it('Enforce: stops after the limit, says so, and starts again when an operator retries', () => {
    const world = new World();
    world.send(drifted(world.now, [world.now - 3000, world.now - 2000, world.now - 1000]), {
      cause: 'Drift',
    });
    expect(world.asked).toEqual([]);
    expect(world.outcome?.exceptions).toEqual([
      {
        member: 'a',
        reason: 'DriftLimit',
        message: expect.stringContaining('3 corrections within 10m') as string,
      },
    ]);
  });

  it('corrections outside of the window do not count', () => {
    const world = new World();
    world.now += 60 * MINUTE;
    world.send(drifted(world.now, [1000, 2000, 3000]), { cause: 'Drift' }).pass();
    expect(world.outcome?.outcome).toBe('Converged');
  });

  it('in the middle of a run: a VM that was done and goes off is brought back', () => {
    const world = new World((id) => ({ takes: id.includes('app') ? 60_000 : 1000 })).send(plan(threeTiers()));
    world.pass(world.now + 40_000);
    const tiers = threeTiers();
    tiers[0] = tier([seen('db-1', 'PoweredOff', world.now), vm('db-2')]);
    world.states['db-1'] = 'PoweredOff';
    world.send(plan(tiers), { cause: 'Drift' });
    world.pass();
    expect(world.outcome?.outcome).toBe('Converged');
    expect(world.states['db-1']).toBe('PoweredOn');
    expect(world.outcome?.corrections).toHaveProperty('db-1');
  });

  it('an observation older than the result of the operation is no drift', () => {
    const world = new World((id) => ({ takes: id.includes('app') ? 60_000 : 1000 })).send(plan(threeTiers()));
    const before = world.now - 1;
    world.pass(world.now + 40_000);
    const tiers = threeTiers();
    tiers[0] = tier([seen('db-1', 'PoweredOff', before), vm('db-2')]);
    world.send(plan(tiers));
    world.pass();
    expect(world.asked.filter(({ member }) => member === 'db-1')).toHaveLength(1);
  });

  describe('PLANS-6: without versions the plan says what is news, and the clocks of who observed do not matter', () => {
    const DAY = 86_400_000;
    const unversioned = (observed: VirtualMachineStatus): VirtualMachineStatus => {
      const { version: _none, ...rest } = observed;
      return rest;
    };

    /** A run whose `db-1` is done, and was observed by a worker whose clock is a day ahead. */
    function running(): { world: World; run: Run; since: number } {
      const world = new World((id) => ({ takes: id.includes('app') ? 60_000 : 1000 })).send(
        plan(threeTiers()),
      );
      world.pass(world.now + 40_000);
      const { run } = world;
      const state = run?.members['db-1'];
      if (!run || !state) throw new Error('no db-1');
      state.observed = { ...unversioned(status('PoweredOn', 0)), at: world.now + DAY };
      world.states['db-1'] = 'PoweredOff';
      return { world, run, since: state.since };
    }

    function sees(world: World, more: Partial<PlanMember>): ReturnType<typeof plan> {
      const observed = unversioned(status('PoweredOff', world.now));
      return plan([tier([vm('db-1', { observed, ...more }), vm('db-2')]), ...threeTiers().slice(1)]);
    }

    it('takes what was reported after the run said that the member is done', () => {
      const { world, since } = running();
      world.send(sees(world, { reportedAfter: since, drifted: true }), { cause: 'Drift' });
      world.pass();
      expect(world.states['db-1']).toBe('PoweredOn');
      expect(world.outcome?.corrections).toHaveProperty('db-1');
    });

    it.each([
      ['the member has changed since', (since: number) => ({ reportedAfter: since - 1 })],
      ['the bridge does not say so', () => ({})],
    ])('leaves what it knows where %s', (_where, more) => {
      const { world, since } = running();
      world.send(sees(world, more(since)));
      expect(world.run?.members['db-1']?.observed?.powerState).toBe('PoweredOn');
    });

    it.each([
      [true, 'PoweredOff'],
      [false, 'PoweredOn'],
    ])('a run of an older build compares times: uses the change: %s', (usesIt, powerState) => {
      const { world, run, since } = running();
      const message = { plan: sees(world, { reportedAfter: since }), cause: 'SpecChanged' as const };
      const after = receivePlan(run, message, world.now, (change) =>
        change === CHANGES.reportsOrder ? usesIt : true,
      );
      expect(after.members['db-1']?.observed?.powerState).toBe(powerState);
    });
  });

  describe.each([
    ['Report', 'Drifted'],
    ['Enforce', 'DriftLimit'],
  ] as const)('%s: a VM that is left alone while the run is open is brought back', (action, reason) => {
    const policy = { ...plan([]).policy, drift: { action, maxCorrections: 0, window: 10 * MINUTE } };
    const planned = (a: PlanMember, more: Partial<Plan> = {}): Plan =>
      plan([tier([a]), tier([vm('b', { link: 'NotFound' })])], { policy, ...more });

    function leftAlone(): World {
      const world = new World().send(planned(vm('a')));
      world.pass();
      world.states['a'] = 'PoweredOff';
      world.send(planned(seen('a', 'PoweredOff', world.now + 1, { drifted: true })), { cause: 'Drift' });
      expect(world.run?.members['a']?.leftAlone?.reason).toBe(reason);
      return world;
    }

    it.each([
      ['by a changed desired state', { generation: 2, revision: 'r2' }, 'SpecChanged'],
      ['by a force sync', { forceSync: 'now@2' }, 'ForceSync'],
      ['if a person asks', {}, 'Asked'],
    ] as const)('%s', (_title, more, cause) => {
      const world = leftAlone();
      world.send(planned(seen('a', 'PoweredOff', world.now + 1), more), { cause });
      expect(world.openIds).toEqual(['power-on/a/2']);
    });

    it('not by a plan for another member', () => {
      const world = leftAlone();
      const plans = planned(seen('a', 'PoweredOff', world.now + 1));
      world.send({ ...plans, tiers: [...plans.tiers, tier([vm('c')])] }, { cause: 'MembersChanged' });
      expect(world.openIds).not.toContain('power-on/a/2');
    });
  });

  it('Report: leaves the VM alone', () => {
    const reported = drifted(0);
    reported.policy = { ...reported.policy, drift: { ...reported.policy.drift, action: 'Report' } };
    const world = new World().send(reported, { cause: 'Drift' });
    expect(world.asked).toEqual([]);
    expect(world.outcome?.exceptions[0]?.reason).toBe('Drifted');
  });
});

describe('members that the last run left as they are', () => {
  const aside = { setAside: { reason: 'Skipped', message: 'skipped by bob: broken disk' } } as const;

  it('stay so in a run that is started for another member, and hold nothing up', () => {
    const world = new World().send(
      plan([
        tier([seen('a', 'PoweredOff', 0, aside)]),
        tier([seen('b', 'PoweredOff', 0, { drifted: true })]),
      ]),
      { cause: 'Drift' },
    );
    world.pass();
    expect(world.asked.map(({ member }) => member)).toEqual(['b']);
    expect(world.outcome?.exceptions).toEqual([
      { member: 'a', reason: 'Skipped', message: 'skipped by bob: broken disk' },
    ]);
  });

  it('are tried again when an operator retries them', () => {
    const world = new World(() => ({ takes: 60_000 })).send(
      plan([tier([seen('a', 'PoweredOff', 0, aside), seen('b', 'PoweredOff')])]),
      { cause: 'Drift' },
    );
    expect(world.say('retryMember', 'a')).toBeUndefined();
    expect(world.pass().outcome?.outcome).toBe('Converged');
  });

  it('count as there once they are', () => {
    const world = new World().send(plan([tier([seen('a', 'PoweredOn', 0, aside)])]));
    expect(world.outcome?.outcome).toBe('Converged');
  });
});

describe('concurrency', () => {
  it('PLANNER-5: never more operations of VMs than the policy says, and all get their turn', () => {
    const members = Array.from({ length: 20 }, (_, index) => vm(`vm-${index}`));
    const limited = plan([tier(members)]);
    limited.policy = { ...limited.policy, maxConcurrentOperations: 3 };
    let open = 0;
    const world = new World((_id, start) => ({ takes: start.activity === 'place' ? 0 : 1000 }));
    world.send(limited);
    while (!world.outcome) {
      open = Math.max(open, world.openIds.filter((id) => id.startsWith('power')).length);
      world.pass(world.nextAt);
    }
    expect(open).toBe(3);
    expect(world.asked).toHaveLength(20);
  });
});

describe('nested groups', () => {
  const inner = (more = {}): ReturnType<typeof plan> =>
    plan([tier([vm('n-1')])], {
      name: 'inner',
      uid: 'uid-inner',
      revision: 'i1',
      lineage: 'uid-shop/uid-inner',
      ...more,
    });

  it('a nested group is a member whose operation is its own run', () => {
    const world = new World().send(plan([tier([group(inner())]), tier([vm('b')])]));
    world.pass();
    expect(world.asked.map(({ activityId, activity }) => [activityId, activity])).toEqual([
      ['power-on/VirtualMachineGroup/inner', 'powerGroup'],
      ['power-on/b', 'powerOn'],
    ]);
  });

  it('one that has converged is not asked', () => {
    const world = new World().send(
      plan([tier([group(inner(), { convergedAt: 5 })]), tier([seen('b', 'PoweredOn')])]),
    );
    expect(world.asked).toEqual([]);
    expect(world.outcome?.outcome).toBe('Converged');
  });

  it('a change of its desired state asks it again', () => {
    const world = new World(() => ({ takes: 60_000 })).send(plan([tier([group(inner())])]));
    world.pass(world.now + 1000);
    world.send(plan([tier([group(inner({ revision: 'i2' }))])], { generation: 2 }));
    expect(world.cancelled).toEqual(['power-on/VirtualMachineGroup/inner']);
    expect(world.openIds).toEqual(['power-on/VirtualMachineGroup/inner/2']);
  });
});

describe('operator commands', () => {
  const held = (): World => new World(() => ({ takes: 10_000 })).send(plan(threeTiers()));

  it('pause: nothing starts until resume; a delay continues', () => {
    const world = held();
    world.pass(world.now + 10_000);
    world.say('pause');
    world.pass();
    expect(world.asked).toHaveLength(2);
    expect(progressOf(world.run!)).toMatchObject({ phase: 'Paused' });
    world.now += MINUTE;
    world.say('resume');
    expect(world.asked).toHaveLength(4);
  });

  it('skipDelay ends the delay that runs', () => {
    const world = held();
    expect(world.say('skipDelay')).toBe('no delay is running');
    world.pass(world.now + 11_000);
    expect(world.say('skipDelay')).toBeUndefined();
    expect(world.asked).toHaveLength(4);
  });

  it.each(['skipMember', 'markReady'] as const)('%s lets the tier continue without the member', (verb) => {
    const world = new World((id) =>
      id.endsWith('db-1') ? { failsAfter: 10, class: 'GateTimeout' } : { takes: 10 },
    ).send(plan(threeTiers()));
    world.pass();
    expect(world.say(verb, 'VirtualMachine/db-1')).toBeUndefined();
    world.pass();
    expect(world.outcome).toMatchObject({
      outcome: 'ConvergedWithExceptions',
      exceptions: [{ member: 'db-1', reason: verb === 'skipMember' ? 'Skipped' : 'MarkedReady' }],
      words: [{ verb, actor: 'alice', reason: 'test', member: 'VirtualMachine/db-1' }],
    });
  });

  it('abort ends the run at once, and lets open operations go', () => {
    const world = held().pass(1_000_001);
    world.say('abort');
    expect(world.cancelled).toEqual(['power-on/db-1', 'power-on/db-2']);
    expect(world.openIds).toEqual(['release/shop']);
    expect(world.pass().outcome).toMatchObject({
      outcome: 'Cancelled',
      message: 'Aborted by alice: test; no place is kept for app-1, app-2, web-1, web-2',
    });
  });

  it('abort ends a run at once that has failed and waits for an open operation; other commands are refused', () => {
    const fate = (id: string): Fate =>
      id.endsWith('slow') ? { takes: 60 * MINUTE } : { failsAfter: SECOND, class: 'Permanent' };
    const world = new World(fate).send(plan([tier([vm('slow'), vm('bad')], { whenParked: 'Fail' })]));
    world.pass(world.now + 2 * SECOND);
    expect(world.run?.ending).toMatchObject({ outcome: 'Failed' });
    expect(world.say('retryMember')).toMatch(/^the run is ending: bad is parked/);
    expect(world.say('abort')).toBeUndefined();
    expect(world.cancelled).toEqual(['power-on/slow']);
    expect(world.outcome).toMatchObject({ outcome: 'Cancelled', message: 'Aborted by alice: test' });
    expect(world.outcome?.exceptions).toContainEqual(
      expect.objectContaining({ member: 'bad', reason: 'Parked' }),
    );
  });

  it('retryMember while an operation is failing starts it afresh', () => {
    const world = held().pass(1_000_001);
    expect(world.say('retryMember', 'db-1')).toBe('db-1 is InProgress: there is nothing to retry');
    world.report('power-on/db-1', 1);
    expect(progressOf(world.run!).members[0]).toMatchObject({
      attempt: 2,
      lastError: { class: 'Transient' },
    });
    expect(world.say('retryMember', 'db-1')).toBeUndefined();
    expect(world.openIds).toContain('power-on/db-1/2');
  });

  it.each([
    ['retryMember', 'nobody', 'nobody is not a member of production/shop'],
    ['skipMember', undefined, 'member is missing: name a VM, or Kind/name'],
    ['retryMember', undefined, 'no member is parked or failing'],
    ['skipMember', 'n-1', 'n-1 is a member of inner: send the command to vmgroup/production/inner'],
  ] as const)('%s %s is refused: %s', (verb, member, why) => {
    const nested = plan([tier([vm('n-1')])], { name: 'inner', uid: 'uid-inner' });
    const world = new World(() => ({ takes: 10_000 })).send(plan([tier([vm('a'), group(nested)])]));
    expect(world.say(verb, member)).toBe(why);
  });
});
