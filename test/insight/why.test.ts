/**
 * Why a member is not in its desired state, explained from runs that the planner drives.
 *
 * Guarantees: G8.
 */
import {
  LONGEST_CHAIN,
  whyGroup,
  whyMember,
  type Hold,
  type KnownGroup,
  type Surroundings,
} from '../../insight';
import { group, MINUTE, plan, SECOND, seen, tier, vm } from '../workflows/plans';
import { World, type Fate } from '../workflows/world';
import { condition, knownGroup } from './known';

type Run = NonNullable<KnownGroup['run']>;

const alone: Surroundings = { groupOf: () => undefined };
const off = (name: string) => seen(name, 'PoweredOff');

/** Each link in a few words: `Kind group member`. */
function links(chain: readonly Hold[]): string[] {
  return chain.map(({ kind, group: of, member }) =>
    [kind, of.split('/')[1], member].filter(Boolean).join(' '),
  );
}

function world(fates: Record<string, Fate>): World {
  return new World((id) => fates[id] ?? { takes: SECOND });
}

const never = { takes: Infinity };
const parks = { failsAfter: SECOND, class: 'Permanent' };

describe('WHY-1: the chain ends with what holds the member', () => {
  it('a member that is done has none', () => {
    const known = knownGroup(
      world({ 'power-on/b': never })
        .send(plan([tier([off('a'), off('b')])]))
        .pass(1_100_000),
    );
    expect(whyMember(known, 'a', alone)).toMatchObject({ isThere: true, powerState: 'PoweredOn', chain: [] });
    expect(whyMember(known, 'b', alone)).toMatchObject({ isThere: false, powerState: 'PoweredOff' });
  });

  it('an operation that the platform carries out, and a gate that is not met', () => {
    const run = world({ 'power-on/a': never }).send(plan([tier([off('a')], { gate: 'Ready' })]));
    const [operation] = whyMember(knownGroup(run), 'a', alone).chain;
    expect(operation).toMatchObject({
      kind: 'Operation',
      text: 'waits for PoweredOn and Ready',
      since: run.now,
      commands: [],
    });
    run.states['a'] = 'PoweredOn';
    const known = knownGroup(run);
    const since = '1970-01-01T00:20:00Z';
    const members = known.status.members.map((member) => ({
      ...member,
      conditions: [{ ...condition('PowerStateSynced', true, ''), lastTransitionTime: since }],
    }));
    const [gate] = whyMember({ ...known, status: { members, conditions: [] } }, 'a', alone).chain;
    expect(gate).toMatchObject({
      kind: 'Gate',
      text: 'waits for PoweredOn and Ready',
      since: Date.parse(since),
    });
  });

  it('an attempt that failed: its error, when the next is due, and what helps', () => {
    const run = world({ 'power-on/a': never })
      .send(plan([tier([off('a')])]))
      .report('power-on/a', 1);
    const [hold] = whyMember(knownGroup(run), 'a', alone).chain;
    expect(hold).toMatchObject({
      kind: 'Retry',
      attempts: 1,
      until: run.now + 2_000,
      nextRetryAt: run.now + 2_000,
      lastError: { class: 'Transient', message: 'no answer' },
    });
    expect(hold?.commands[0]).toBe('vmgroup retry production/shop a --reason TEXT');
  });

  it('a member of a later tier: the parked one of the tier before', () => {
    const tiers = [tier([off('a'), off('b'), off('c')]), tier([off('d')]), tier([off('e')])];
    const run = world({ 'power-on/b': parks, 'power-on/c': never }).send(plan(tiers)).pass(1_100_000);
    const { chain } = whyMember(knownGroup(run), 'e', alone);
    expect(links(chain)).toEqual(['Tier shop e', 'Parked shop b']);
    expect(chain[0]?.text).toBe('waits for tier 1 of 3 to be done: b, c are not');
    expect(chain[1]).toMatchObject({
      text: 'is parked after 0 attempts',
      attempts: 0,
      lastError: { class: 'Permanent', message: 'power-on/b failed' },
      commands: [
        'vmgroup retry production/shop b --reason TEXT',
        'vmgroup skip production/shop b --reason TEXT',
        'vmgroup mark-ready production/shop b --reason TEXT',
      ],
    });
  });

  it('powered off in reverse: the tier after it', () => {
    const on = (name: string) => seen(name, 'PoweredOn');
    const tiers = [tier([on('db')]), tier([on('web')], { powerOffDelay: 0 })];
    const run = world({ 'power-off/web': never }).send(plan(tiers, { powerState: 'PoweredOff' }));
    expect(links(whyMember(knownGroup(run), 'db', alone).chain)).toEqual([
      'Tier shop db',
      'Operation shop web',
    ]);
  });

  it('a parked member whose tier continues without it holds nothing', () => {
    const tiers = [tier([off('a')], { whenParked: 'Continue' }), tier([off('b')]), tier([off('c')])];
    const run = world({ 'power-on/a': parks, 'power-on/b': never }).send(plan(tiers)).pass(1_100_000);
    expect(links(whyMember(knownGroup(run), 'c', alone).chain)).toEqual(['Tier shop c', 'Operation shop b']);
  });

  it('a delay: until when, and how it is ended', () => {
    const run = world({}).send(plan([tier([off('a')], { powerOnDelay: MINUTE }), tier([off('b')])]));
    expect(whyMember(knownGroup(run), 'b', alone).chain).toMatchObject([
      { kind: 'Tier' },
      {
        kind: 'Delay',
        text: 'waits for a delay of 1m',
        until: run.now + MINUTE,
        commands: ['vmgroup skip-delay production/shop --reason TEXT'],
      },
    ]);
  });

  it('a pause of an operator: who, why and since when', () => {
    const run = world({}).send(plan([tier([off('a')]), tier([off('b')])]));
    const at = run.now;
    run.say('pause');
    run.pass(1_100_000);
    const { chain } = whyMember(knownGroup(run), 'b', alone);
    expect(chain.at(-1)).toMatchObject({
      kind: 'Paused',
      since: at,
      text: 'waits for an operator to resume the run, paused by alice: test',
      commands: ['vmgroup resume production/shop --reason TEXT'],
    });
  });

  it('a slot, a member that does not exist, one that was skipped', () => {
    const policy = { ...plan([]).policy, maxConcurrentOperations: 1 };
    const members = [off('a'), off('b'), vm('c', { link: 'NotFound' }), off('d')];
    const run = world({ 'power-on/a': never }).send(plan([tier(members)], { policy }));
    run.say('skipMember', 'd');
    const known = knownGroup(run);
    const of = (name: string) => whyMember(known, name, alone).chain[0];
    expect(of('b')).toMatchObject({
      kind: 'Slot',
      text: 'waits for one of 1 slots for power operations, or its placement',
    });
    expect(of('c')).toMatchObject({ kind: 'Missing', text: 'waits for VirtualMachine c to exist' });
    expect(of('d')).toMatchObject({ kind: 'LeftAlone', text: 'skipped' });
  });

  it('placement that finds no room', () => {
    const run = world({}).send(plan([tier([vm('a')])]));
    const { activityId = '' } = run.run?.placement ?? {};
    run.report(activityId, 1);
    expect(whyMember(knownGroup(run), 'a', alone).chain[0]).toMatchObject({
      kind: 'Placement',
      text: 'waits for placement: attempt 1: Transient: no answer',
      commands: ['vmgroup retry production/shop --reason TEXT'],
    });
  });
});

describe('groups above and below', () => {
  const inner = plan([tier([off('x')])], { name: 'inner', uid: 'uid-inner', root: 'shop' });
  const outer = plan([tier([group(inner)]), tier([off('last')])]);

  function around(...groups: KnownGroup[]): Surroundings {
    return {
      groupOf: (name) => groups.find(({ metadata }) => `${metadata.namespace}/${metadata.name}` === name),
    };
  }

  it('a member after a nested group: through that group to its parked VM', () => {
    const above = knownGroup(world({ 'power-on/VirtualMachineGroup/inner': never }).send(outer));
    const below = knownGroup(world({ 'power-on/x': parks }).send(inner).pass(1_100_000));
    expect(links(whyMember(above, 'last', around(above, below)).chain)).toEqual([
      'Tier shop last',
      'NestedRun shop VirtualMachineGroup/inner',
      'Parked inner x',
    ]);
  });

  it('a VM of a group whose turn has not come: up to what the parent waits for', () => {
    const later = plan([tier([off('first')]), tier([group(inner)])]);
    const above = knownGroup(world({ 'power-on/first': parks }).send(later).pass(1_100_000));
    const idle = knownGroup(world({ 'power-on/x': never }).send(inner), {
      spec: { groupName: 'shop' },
      phase: 'Pending',
      message: '1 of 1 members not ready',
    });
    const { run: _none, ...below } = idle;
    expect(links(whyMember(below, 'x', around(above, below)).chain)).toEqual([
      'ParentRun inner',
      'Tier shop VirtualMachineGroup/inner',
      'Parked shop first',
    ]);
  });

  it('groups that wait for each other: the chain ends', () => {
    const names = Array.from({ length: 100 }, (_, at) => `g${at}`);
    const groups = names.map((name, at) => {
      const next = plan([tier([off('x')])], { name: names[(at + 1) % names.length] ?? '', uid: 'u' });
      return knownGroup(
        world({ [`power-on/VirtualMachineGroup/${next.name}`]: never }).send(
          plan([tier([group(next)])], { name }),
        ),
      );
    });
    const { chain } = whyMember(groups[0] as KnownGroup, 'VirtualMachineGroup/g1', around(...groups));
    expect(chain).toHaveLength(LONGEST_CHAIN);
    const pair = groups.slice(0, 1);
    expect(whyMember(pair[0] as KnownGroup, 'VirtualMachineGroup/g1', around(...pair)).chain).toHaveLength(1);
  });
});

describe('WHY-2: a trouble of the whole run ends the chain', () => {
  const run = () =>
    world({ 'power-on/a': parks })
      .send(plan([tier([off('a')]), tier([off('b')])]))
      .pass(1_100_000);

  it('a failing workflow task, and a pause in Temporal', () => {
    const known = knownGroup(run());
    const health = {
      paused: [],
      pausedRun: { at: 0, by: 'bob', reason: '' },
      workflowTask: { attempt: 9, since: 0 },
    };
    const { chain } = whyMember({ ...known, run: { ...(known.run as Run), health } }, 'b', alone);
    expect(links(chain)).toEqual(['Tier shop b', 'Parked shop a', 'Group shop', 'Group shop']);
    expect(chain.slice(2).map(({ reason }) => reason)).toEqual(['WorkflowTaskFailing', 'RunPaused']);
    expect(chain[3]).toMatchObject({
      text: 'waits: the run is paused in Temporal by bob',
      commands: ['temporal workflow unpause -w vmgroup/production/shop'],
    });
  });

  it("an activity that was paused in Temporal is its member's", () => {
    const open = world({ 'power-on/a': never }).send(plan([tier([off('a')])]));
    const known = knownGroup(open);
    const paused = [{ activityId: 'power-on/a', activityType: 'powerOn', at: 0, by: 'bob', reason: 'look' }];
    const { chain } = whyMember({ ...known, run: { ...(known.run as Run), health: { paused } } }, 'a', alone);
    expect(chain).toMatchObject([
      {
        kind: 'ActivityPaused',
        text: 'waits: activity power-on/a is paused in Temporal by bob: look',
        commands: ['temporal activity unpause -w vmgroup/production/shop --activity-id power-on/a'],
      },
    ]);
  });

  it('more paused activities than a chain has links', () => {
    const known = knownGroup(run());
    const paused = Array.from({ length: 3 * LONGEST_CHAIN }, (_, number) => ({
      activityId: `power-on/gone-${number}`,
      activityType: 'powerOn',
      at: 0,
      by: 'bob',
      reason: '',
    }));
    const { chain } = whyMember({ ...known, run: { ...(known.run as Run), health: { paused } } }, 'b', alone);
    expect(links(chain).slice(0, 3)).toEqual(['Tier shop b', 'Parked shop a', 'Group shop']);
    expect(chain).toHaveLength(LONGEST_CHAIN);
  });

  it('a plan that is refused, and no worker', () => {
    const known = knownGroup(run());
    const refused: KnownGroup = {
      ...known,
      status: {
        ...known.status,
        conditions: [condition('Ready', false, 'the open run refuses the plan', 'StalePlan')],
      },
    };
    const idle = { text: 'no worker polls', commands: ['vmgroup worker'] };
    const { chain } = whyMember(refused, 'a', { ...alone, idle });
    expect(chain.slice(1)).toMatchObject([
      { kind: 'Group', reason: 'StalePlan', text: 'waits: the open run refuses the plan' },
      { kind: 'Process', text: 'no worker polls', commands: ['vmgroup worker'] },
    ]);
  });
});

describe('without an open run', () => {
  const rested = (over: Partial<KnownGroup>): KnownGroup => {
    const { run: _run, ...known } = knownGroup(world({ 'power-on/a': never }).send(plan([tier([off('a')])])));
    return { ...known, ...over };
  };

  it('the exception of the last run, and how another one is asked for', () => {
    const ended = world({ 'power-on/a': parks })
      .send(plan([tier([off('a')], { whenParked: 'Continue' })]))
      .pass();
    const known = knownGroup(ended);
    const { progress: _open, ...run } = known.run as Run;
    const closed = {
      ...known,
      run: { ...run, endedAt: ended.now, ...(ended.outcome && { outcome: ended.outcome }) },
    };
    expect(ended.outcome?.outcome).toBe('ConvergedWithExceptions');
    expect(whyMember(closed, 'a', alone).chain).toMatchObject([
      {
        kind: 'Parked',
        reason: 'Parked',
        commands: ['vmgroup retry production/shop --reason TEXT'],
        text: 'was left as it is by the last run: Permanent: power-on/a failed',
      },
    ]);
  });

  it.each([
    ['OutOfSync', ['vmgroup retry production/shop --reason TEXT']],
    ['Pending', []],
    ['Invalid', []],
  ])('the phase %s of the group', (phase, commands) => {
    expect(whyGroup(rested({ phase, message: 'why' }), alone)).toMatchObject([
      { member: 'a', isThere: false, chain: [{ kind: 'Group', reason: phase, commands }] },
    ]);
  });

  it('WHY-3: a VM that left its state after it was done', () => {
    const run = world({ 'power-on/b': never })
      .send(plan([tier([off('a'), off('b')])]))
      .pass(1_100_000);
    const known = knownGroup(run);
    const members = known.status.members.map((member) => ({
      ...member,
      conditions: [
        condition('PowerStateSynced', false, 'PoweredOff, the group wants PoweredOn', 'NotSynced'),
      ],
    }));
    const why = whyMember({ ...known, status: { members, conditions: [] } }, 'a', alone);
    expect(why.isThere).toBe(false);
    expect(why.chain[0]?.text).toContain('was done, and no longer is: PoweredOff');
  });
});

test('WHY-1: tiers that wait for each other, in an answer that makes no sense, end the chain', () => {
  const known = knownGroup(world({}).send(plan([tier([off('a')]), tier([off('b')])])));
  const progress = known.run?.progress as NonNullable<Run['progress']>;
  const tiers = progress.tiers.map((each) => ({ ...each, phase: 'Pending' as const, after: 1 - each.tier }));
  const members = progress.members.map((each) => ({ ...each, phase: 'Pending' as const }));
  const run = { ...(known.run as Run), progress: { ...progress, tiers, members } };
  const { chain } = whyMember({ ...known, run }, 'a', alone);
  expect(chain.length).toBeLessThanOrEqual(LONGEST_CHAIN);
});
