/** What a change does to the run of a group (DIFF-1): the steps of the planner, and what differs in words. */
import { groupDiff } from '../../../cli/diff/group-diff';
import { overlaid } from '../../../cli/diff/running';
import { manifestsOf, parseManifests, type Manifests } from '../../../api';
import type { Plan } from '../../../contract';
import { groupWithVms } from '../../support/manifests';
import { group, plan, SECOND, seen, tier, vm } from '../../workflows/plans';

/** Two tiers that are up, the second one 30 s after the first. */
const running = (more: Partial<Plan> = {}): Plan =>
  plan(
    [tier([seen('db', 'PoweredOn')]), tier([seen('web', 'PoweredOn')], { powerOnDelay: 30 * SECOND })],
    more,
  );

test('a VM that joins is touched, after the delay of its tier, and the others are left as they are', () => {
  const after = running();
  after.tiers[1]?.members.push(vm('web-2'));
  expect(groupDiff(running(), after, undefined)).toMatchObject({
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
  const found = groupDiff(running(), after, 'PoweringOn');
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
  const { steps } = groupDiff(before, after, undefined);
  const due = steps
    .filter(({ action }) => action === 'PowerOn')
    .map(({ member, anyway }) => [member, anyway]);
  expect(due).toEqual([
    ['late', true],
    ['new', undefined],
  ]);
  const settings = running({ policy: { ...running().policy, maxConcurrentOperations: 3 } });
  expect(groupDiff(running(), settings, undefined)).toMatchObject({
    ...{ change: 'Changed', steps: [], touched: [], untouched: 2 },
    changes: ['policy: maxConcurrentOperations: 50 to 3'],
  });
});

test('nothing is no change, whatever was observed meanwhile', () => {
  const after = plan(
    [
      tier([seen('db', 'PoweredOn', 99)]),
      tier([seen('web', 'PoweredOn', 99)], { powerOnDelay: 30 * SECOND }),
    ],
    {
      ...{ revision: 'another', generation: 7 },
    },
  );
  expect(groupDiff(running(), after, undefined)).toMatchObject({
    change: 'Unchanged',
    changes: [],
    steps: [],
  });
});

test('groups that come and go, and VMs that leave', () => {
  expect(groupDiff(undefined, plan([tier([vm('db')])]), undefined)).toMatchObject({
    change: 'New',
    touched: ['db'],
  });
  expect(groupDiff(running(), undefined, undefined)).toMatchObject({
    ...{ change: 'Deleted', steps: [], left: ['db', 'web'] },
    changes: ['the group goes, and its VMs stay as they are (deletion: Orphan)'],
  });
  const without = plan([tier([seen('db', 'PoweredOn')])]);
  expect(groupDiff(running(), without, undefined)).toMatchObject({
    left: ['web'],
    touched: [],
    untouched: 1,
  });
});

test('a VM that is on and whose gate asks for more is not touched: only its gate is asked', () => {
  const before = plan([tier([seen('db', 'PoweredOn')], { gate: 'Probe' })]);
  const after = structuredClone(before);
  after.tiers[0]?.members.push(vm('db-2'));
  const { steps, touched, untouched } = groupDiff(before, after, undefined);
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
  const found = groupDiff(nested('a'), after, undefined);
  expect(found.changes).toEqual(['VirtualMachineGroup/inner: joined: b']);
  expect(found.touched).toEqual(['b']);
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
