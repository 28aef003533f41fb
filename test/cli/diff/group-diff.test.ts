/** What a change does to the run of a group (DIFF-1): the steps of the planner, and what differs in words. */
import { groupDiff } from '../../../cli/diff/group-diff';
import { overlaid } from '../../../cli/diff/overlaid';
import { manifestsOf, parseManifests, type Manifests } from '../../../api';
import type { Plan, Progress } from '../../../contract';
import { seenRun } from '../../../workflows';
import { groupWithVms } from '../../support/manifests';
import { group, plan, SECOND, seen, tier, vm } from '../../workflows/plans';

/** Observations of these tests are of time 0. */
const NOW = { now: 0 };

/** Two tiers that are up, the second one 30 s after the first. */
const running = (more: Partial<Plan> = {}): Plan =>
  plan(
    [tier([seen('db', 'PoweredOn')]), tier([seen('web', 'PoweredOn')], { powerOnDelay: 30 * SECOND })],
    more,
  );

test('a VM that joins is touched, after the delay of its tier, and the others are left as they are', () => {
  const after = running();
  after.tiers[1]?.members.push(vm('web-2'));
  expect(groupDiff(running(), after, NOW)).toMatchObject({
    group: 'production/shop',
    change: 'Changed',
    changes: ['joined: web-2'],
    touched: ['web-2'],
    untouched: 2,
    left: [],
  });
});

test('all VMs are powered off, in reverse, if the power state changes', () => {
  const after = running({ powerState: 'PoweredOff', revision: 'r2' });
  after.tiers.forEach((each) => (each.powerOffDelay = 10 * SECOND));
  const found = groupDiff(running(), after, { ...NOW, phase: 'PoweringOn' });
  expect(found.changes[0]).toBe('powerState: PoweredOn to PoweredOff');
  expect(
    found.steps.filter(({ action }) => action === 'PowerOff').map(({ member, at }) => [member, at]),
  ).toEqual([
    ['web', expect.any(Number)],
    ['db', expect.any(Number)],
  ]);
  expect(found.end).toBeGreaterThanOrEqual(10 * SECOND);
  expect(found.openRun).toBe('PoweringOn');
});

test('what is due without the change is marked, and a change of settings touches no VM', () => {
  const before = running();
  before.tiers[1]?.members.push(vm('late'));
  const after = structuredClone(before);
  after.tiers[1]?.members.push(vm('new'));
  const { steps } = groupDiff(before, after, NOW);
  const due = steps
    .filter(({ action }) => action === 'PowerOn')
    .map(({ member, anyway }) => [member, anyway]);
  expect(due).toEqual([
    ['late', true],
    ['new', undefined],
  ]);
  const settings = running({ policy: { ...running().policy, maxConcurrentOperations: 3 } });
  expect(groupDiff(running(), settings, NOW)).toMatchObject({
    change: 'Changed',
    steps: [],
    touched: [],
    untouched: 2,
    changes: ['policy: maxConcurrentOperations: 50 to 3'],
  });
});

test('nothing is no change, whatever was observed meanwhile', () => {
  const after = plan(
    [
      tier([seen('db', 'PoweredOn', 99)]),
      tier([seen('web', 'PoweredOn', 99)], { powerOnDelay: 30 * SECOND }),
    ],
    { revision: 'another', generation: 7 },
  );
  expect(groupDiff(running(), after, NOW)).toMatchObject({
    change: 'Unchanged',
    changes: [],
    steps: [],
  });
});

test('groups that come and go, and VMs that leave', () => {
  expect(groupDiff(undefined, plan([tier([vm('db')])]), NOW)).toMatchObject({
    change: 'New',
    touched: ['db'],
  });
  expect(groupDiff(running(), undefined, NOW)).toMatchObject({
    change: 'Deleted',
    steps: [],
    left: ['db', 'web'],
    changes: ['the group goes, and its VMs stay as they are (deletion: Orphan)'],
  });
  const without = plan([tier([seen('db', 'PoweredOn')])]);
  expect(groupDiff(running(), without, NOW)).toMatchObject({
    left: ['web'],
    touched: [],
    untouched: 1,
  });
});

test('a VM that is on and whose gate asks for more is not touched: only its gate is asked', () => {
  const before = plan([tier([seen('db', 'PoweredOn')], { gate: 'Probe' })]);
  const after = structuredClone(before);
  after.tiers[0]?.members.push(vm('db-2'));
  const { steps, touched, untouched } = groupDiff(before, after, NOW);
  expect([touched, untouched]).toEqual([['db-2'], 1]);
  expect(steps.find(({ member }) => member === 'db')).toMatchObject({ confirms: true });
});

test('changes and steps below a nested group', () => {
  const nested = (...names: string[]): Plan =>
    plan([
      tier([
        group(
          plan([tier(names.map((name) => seen(name, 'PoweredOn')))], { name: 'inner', uid: 'uid-inner' }),
        ),
      ]),
    ]);
  const after = nested('a');
  after.tiers[0]?.members[0]?.plan?.tiers[0]?.members.push(vm('b'));
  const found = groupDiff(nested('a'), after, NOW);
  expect(found.changes).toEqual(['VirtualMachineGroup/inner: joined: b']);
  expect(found.touched).toEqual(['b']);
});

/** The first tier is being powered on, or the delay after it runs. */
function openRun(
  inForce: Plan,
  parts: Partial<Progress>,
  now = 0,
): (name: string) => ReturnType<typeof seenRun> {
  const progress = { ...progressBefore(inForce), ...parts };
  return () => seenRun(inForce, progress, now);
}

function progressBefore({ namespace, name, revision, generation, lineage, root }: Plan): Progress {
  return {
    namespace,
    name,
    revision,
    generation,
    lineage,
    root,
    powerState: 'PoweredOn',
    phase: 'PoweringOn',
    message: '',
    startedAt: 0,
    tiers: [],
    members: [],
    words: [],
    placements: {},
    placement: { phase: 'Done' },
  };
}

const off = (): Plan =>
  plan([tier([seen('db', 'PoweredOff')]), tier([seen('web', 'PoweredOff')], { powerOnDelay: 30 * SECOND })]);

describe('a run that is open', () => {
  const poweringOn: Partial<Progress> = {
    tiers: [
      { tier: 0, phase: 'Running', done: 0, total: 1 },
      { tier: 1, phase: 'Pending', done: 0, total: 1 },
    ],
    members: [
      { member: 'db', tier: 0, phase: 'InProgress', since: 0, activityId: 'power-on/db' },
      { member: 'web', tier: 1, phase: 'Pending', since: 0 },
    ],
  };

  test('continues what is under way, and takes the rest from the change', () => {
    const after = off();
    after.tiers[1]?.members.push(seen('web-2', 'PoweredOff'));
    const found = groupDiff(off(), after, { ...NOW, openRun: openRun(off(), poweringOn) });
    expect(found.givenUp).toEqual([]);
    expect(found.steps.filter(({ member }) => member !== undefined)).toMatchObject([
      { member: 'db', at: 0, underWay: true },
      { member: 'web', at: 30 * SECOND, anyway: true },
      { member: 'web-2', at: 30 * SECOND },
    ]);
  });

  test('gives up operations that the change no longer wants, and asks again for those whose settings it changes', () => {
    const without = plan([tier([seen('web', 'PoweredOff')])]);
    const gone = groupDiff(off(), without, { ...NOW, openRun: openRun(off(), poweringOn) });
    expect(gone).toMatchObject({
      left: ['db'],
      givenUp: [{ group: 'shop', action: 'PowerOn', member: 'db' }],
      touched: ['web'],
    });
    const turned = groupDiff(
      off(),
      { ...off(), powerState: 'PoweredOff', revision: 'r2' },
      { ...NOW, openRun: openRun(off(), poweringOn) },
    );
    expect(turned.givenUp).toMatchObject([{ action: 'PowerOn', member: 'db' }]);
    // It is unknown how far the operation got: the VM is powered off whatever its state was.
    expect(turned.steps).toMatchObject([{ action: 'PowerOff', member: 'db' }]);
    const slower = off();
    slower.policy.operationTimeout *= 2;
    const again = groupDiff(off(), slower, { ...NOW, openRun: openRun(off(), poweringOn) });
    expect([again.givenUp.length, again.steps[0]]).toMatchObject([1, { action: 'PowerOn', member: 'db' }]);
  });

  test('keeps the delay that runs, and starts a changed one from where the tier before was done', () => {
    const parts: Partial<Progress> = {
      tiers: [
        { tier: 0, phase: 'Done', done: 1, total: 1 },
        { tier: 1, phase: 'Delay', until: 32 * SECOND, done: 0, total: 1 },
      ],
      members: [
        { member: 'db', tier: 0, phase: 'Done', since: 2 * SECOND },
        { member: 'web', tier: 1, phase: 'Pending', since: 0 },
      ],
    };
    const inForce = off();
    inForce.tiers[0] = tier([seen('db', 'PoweredOn', 2 * SECOND)]);
    const now = 20 * SECOND;
    const world = { now, openRun: openRun(inForce, parts, now) };
    const more = structuredClone(inForce);
    more.tiers[1]?.members.push(seen('web-2', 'PoweredOff'));
    expect(groupDiff(inForce, more, world).end).toBe(12 * SECOND);
    const longer = structuredClone(inForce);
    longer.tiers.forEach((each, at) => (each.powerOnDelay = at * 60 * SECOND));
    expect(groupDiff(inForce, longer, world).end).toBe(42 * SECOND);
  });

  test('leaves members as an operator or a budget left them, until a user edits the group', () => {
    const parts: Partial<Progress> = {
      tiers: [{ tier: 0, phase: 'Running', done: 1, total: 3 }],
      members: [
        { member: 'a', tier: 0, phase: 'Parked', since: 0, lastError: { class: 'X', message: '', at: 0 } },
        { member: 'b', tier: 0, phase: 'Skipped', since: 0 },
        { member: 'c', tier: 0, phase: 'LeftAlone', since: 0 },
      ],
    };
    const names = ['a', 'b', 'c'];
    const inForce = plan([tier(names.map((name) => seen(name, 'PoweredOff')))]);
    const world = { ...NOW, openRun: openRun(inForce, parts) };
    const same = groupDiff(inForce, structuredClone(inForce), world);
    expect([same.change, same.touched, same.kept]).toEqual(['Unchanged', [], names]);
    const edited = { ...structuredClone(inForce), revision: 'r2', powerOffMode: 'Hard' as const };
    expect(groupDiff(inForce, edited, world).touched).toEqual(['a', 'c']);
    const paused = { ...NOW, openRun: openRun(inForce, { ...parts, phase: 'Paused' }) };
    expect(groupDiff(inForce, edited, paused)).toMatchObject({
      touched: [],
      waits: ['Paused: an operator has to resume the run.'],
    });
  });
});

test('times by past runs are shown next to the earliest ones', () => {
  const found = groupDiff(running(), off(), {
    ...NOW,
    durationOf: (_group, member) => (member === 'db' ? 4_000 : 6_000),
  });
  expect(found).toMatchObject({ end: 30 * SECOND, about: 40 * SECOND });
  expect(found.steps.find(({ member }) => member === 'web')).toMatchObject({
    at: 30 * SECOND,
    about: 34 * SECOND,
  });
});

test('files stand for the objects of a cluster of the same names, which keep their uids', () => {
  const read = (text: string): Manifests => parseManifests([{ path: 'a.yaml', text }]).manifests;
  const shape = { namespace: 'prod', name: 'app', powerState: 'PoweredOn', tiers: [{ members: ['db'] }] };
  const cluster = read(groupWithVms(shape));
  cluster.groups.forEach((each) => (each.uid = 'uid-of-cluster'));
  const found = overlaid(cluster, read(groupWithVms({ ...shape, powerState: 'PoweredOff' })));
  expect(found.groups).toMatchObject([{ uid: 'uid-of-cluster', powerState: 'PoweredOff' }]);
  expect(overlaid(cluster, manifestsOf([])).groups).toEqual(cluster.groups);
});
