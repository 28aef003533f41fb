/** Guarantees: G8, G10. */
import {
  groupView,
  indexManifests,
  plansOf,
  resolvePlan,
  resolveTiers,
  stuckRuns,
  type Condition,
  type GroupView,
  type RunHealth,
  type RunState,
} from '../../../bridge';
import type { Group, Manifests } from '../../../api';
import type { MemberProgress, Plan, Progress, RunOutcome } from '../../../contract';
import { group, manifests, NS, observing, outcome, policy, progressOf, seen, tier, vm } from '../fixtures';

const on = { powerState: 'PoweredOn' as const };
const PLACE = { zoneID: 'zone-a', node: 'host-1' };
const T0 = Date.parse('2026-01-01T00:00:00.500Z');

interface Case {
  from?: Manifests;
  /** The platform of all VMs cannot be read. */
  unseen?: true;
  states?: Parameters<typeof observing>[0];
  run?: (plan: Plan) => RunState;
  previous?: GroupView;
  now?: number;
  moving?: boolean;
  decision?: { why: string; send?: boolean; stopped?: boolean };
  name?: string;
  children?: Record<string, GroupView>;
}

const base = manifests({
  groups: [group('app', [tier(['a'])], on)],
  virtualMachines: [vm('a', 'app')],
});

function view(of: Case = {}): GroupView {
  const index = indexManifests(of.from ?? base);
  const observe = observing(of.states ?? {});
  const isUnseen = (): boolean => of.unseen === true;
  const target = index.groups.get(`${NS}/${of.name ?? 'app'}`) as Group;
  const plan = [...index.groups.values()]
    .flatMap((each) => plansOf(resolvePlan(index, each, { observe, isUnseen })))
    .find((each) => each.name === target.name);
  const run = of.run && plan ? of.run(plan) : ({ phase: 'None' } as const);
  return groupView({
    group: target,
    tiers: resolveTiers(index, target),
    ...(plan && { plan }),
    observe,
    isUnseen,
    run,
    moving: of.moving ?? run.phase === 'Open',
    ...(of.decision && {
      decision: {
        why: of.decision.why,
        unmet: [],
        stopped: of.decision.stopped ?? false,
        ...(of.decision.send && plan && { send: { plan, cause: 'Drift' as const } }),
      },
    }),
    childView: (name) => of.children?.[name],
    parentExists: target.groupName !== undefined && index.groups.has(`${NS}/${target.groupName}`),
    ...(of.previous && { previous: of.previous }),
    problems: [],
    now: of.now ?? T0,
  });
}

function open(over: Partial<MemberProgress>, progress: Partial<Progress> = {}): (plan: Plan) => RunState {
  return (plan) => ({
    phase: 'Open',
    runId: 'r1',
    startedAt: 1,
    progress: progressOf(plan, {
      members: [{ member: 'a', tier: 0, phase: 'Pending', since: 1, ...over }],
      ...progress,
    }),
  });
}

function closed(over: Partial<RunOutcome> = {}): (plan: Plan) => RunState {
  return (plan) => ({
    phase: 'Closed',
    runId: 'r1',
    startedAt: 1,
    endedAt: 50,
    closedAs: 'COMPLETED',
    outcome: outcome(plan, over),
  });
}

const exception = (reason: RunOutcome['exceptions'][number]['reason'], message: string) =>
  closed({ outcome: 'ConvergedWithExceptions', exceptions: [{ member: 'a', reason, message }] });

function condition(of: GroupView, type: Condition['type'], member?: string): string | undefined {
  const from = member === undefined ? of.status : of.status.members.find((each) => each.name === member);
  const found = from?.conditions.find((each) => each.type === type);
  return found && `${found.status} ${found.reason}: ${found.message}`;
}

describe('GroupLinked of members', () => {
  const from = manifests({
    groups: [group('app', [tier(['a', 'b', 'c', 'd'])], on)],
    virtualMachines: [vm('a', 'app'), vm('b'), vm('c', 'other')],
  });
  test.each([
    ['a', 'True MemberLinked: Member is linked to this group'],
    ['b', 'False NotMember: VirtualMachine "b" has no spec.groupName, not "app"'],
    ['c', 'False NotMember: VirtualMachine "c" names "other" in spec.groupName, not "app"'],
    ['d', 'False NotFound: VirtualMachine "d" does not exist'],
  ])('%s', (name, expected) => {
    expect(condition(view({ from }), 'GroupLinked', name)).toBe(expected);
  });

  test('members that are not linked have no other condition', () => {
    const { members } = view({ from }).status;
    expect(members.map((member) => member.conditions.length)).toEqual([3, 1, 1, 1]);
  });
});

describe('PowerStateSynced (STATUS-1, STATUS-2)', () => {
  const is = 'PoweredOff, the group wants PoweredOn';
  const off = { ...base, groups: [group('app', [tier(['a'])], { powerState: 'PoweredOff' as const })] };
  const suspended = { ...base, groups: [group('app', [tier(['a'])], { powerState: 'Suspended' as const })] };
  const table: [string, Case, string | undefined][] = [
    [
      'there',
      { states: { a: 'PoweredOn' } },
      'True PowerStateMatches: Member power state matches group specification',
    ],
    [
      'off in a suspended group',
      { from: suspended, states: { a: 'PoweredOff' } },
      'True LeftPoweredOff: Member was powered off and stays so while the group is suspended',
    ],
    [
      'suspended',
      { from: suspended, states: { a: 'Suspended' } },
      'True PowerStateMatches: Member power state matches group specification',
    ],
    ['pending in a run', { run: open({ waitsFor: 'tier 1' }) }, `False Pending: ${is}: waits for tier 1`],
    ['in progress', { run: open({ phase: 'InProgress' }) }, `False Pending: ${is}`],
    [
      'parked',
      { run: open({ phase: 'Parked', lastError: { class: 'Permanent', message: 'no disk', at: 1 } }) },
      `False PowerOperationFailed: ${is}: Permanent: no disk`,
    ],
    [
      'skipped',
      { run: open({ phase: 'Skipped', waitsFor: 'skipped by ann' }) },
      `False NotSynced: ${is}: skipped by ann`,
    ],
    ['left alone', { run: open({ phase: 'LeftAlone' }) }, `False NotSynced: ${is}: left as it is`],
    [
      'done by word alone',
      { run: open({ phase: 'Done' }) },
      `False NotSynced: ${is}: it left the desired state`,
    ],
    [
      'parked when the run ended',
      { run: exception('Parked', 'no disk') },
      `False PowerOperationFailed: ${is}: no disk`,
    ],
    [
      'marked ready (STATUS-1)',
      { run: exception('MarkedReady', 'marked ready by ann') },
      `False NotSynced: ${is}: marked ready by ann`,
    ],
    [
      'drift limit',
      { run: exception('DriftLimit', 'corrected 3 times') },
      `False NotSynced: ${is}: corrected 3 times`,
    ],
    ['about to start', { moving: true }, `False Pending: ${is}`],
    ['nothing will happen', { decision: { why: 'only reported' } }, `False NotSynced: ${is}: only reported`],
    [
      'a run of an older desired state',
      { run: open({ phase: 'Done' }, { revision: 'old' }) },
      `False Pending: ${is}`,
    ],
    [
      'its platform cannot be read',
      { from: off, unseen: true },
      'Unknown NotSynced: its power state is not known as its platform cannot be read, the group wants PoweredOff',
    ],
    [
      'its platform cannot be read, and a run tries',
      { from: off, unseen: true, run: open({ phase: 'InProgress' }) },
      'False Pending: its power state is not known as its platform cannot be read, the group wants PoweredOff',
    ],
    ['no power state', { from: { ...base, groups: [group('app', [tier(['a'])])] } }, undefined],
  ];
  test.each(table)('%s', (_, of, expected) => {
    expect(condition(view(of), 'PowerStateSynced', 'a')).toBe(expected);
  });
});

describe('PlacementReady', () => {
  const off = { ...base, groups: [group('app', [tier(['a'])], { powerState: 'PoweredOff' as const })] };
  const table: [string, Case, string | undefined][] = [
    [
      'placed before',
      { states: { a: seen('PoweredOn', { placement: PLACE }) } },
      'True AlreadyPlaced: zone-a',
    ],
    [
      'placed before, by the manifest',
      { from: { ...base, virtualMachines: [vm('a', 'app', { placed: PLACE })] } },
      'True AlreadyPlaced: zone-a',
    ],
    [
      'by the open run',
      { run: open({}, { placements: { a: PLACE } }) },
      'True PlacementComputed: Placement decision is ready',
    ],
    [
      'by the open run, with what the platform says of it',
      { run: open({}, { placements: { a: { ...PLACE, note: 'hosts are left to vSphere' } } }) },
      'True PlacementComputed: Placement decision is ready; hosts are left to vSphere',
    ],
    [
      'by the last run',
      { run: closed({ placements: { a: PLACE } }) },
      'True PlacementComputed: Placement decision is ready',
    ],
    [
      'not yet',
      { run: open({}, { placement: { phase: 'Pending', message: 'no host has room' } }) },
      'False Pending: no host has room',
    ],
    ['nothing known', {}, 'False Pending: not placed yet'],
    ['not needed to power off', { from: off }, undefined],
  ];
  test.each(table)('%s', (_, of, expected) => {
    expect(condition(view(of), 'PlacementReady', 'a')).toBe(expected);
  });

  test('placement stays, with its reason, while the same VM exists, but for one that was given back before the VM came to be', () => {
    const previous = view({ run: closed({ placements: { a: { ...PLACE, note: 'hosts are not seen' } } }) });
    const later = view({ previous });
    expect(later.status.members[0]?.placement).toEqual(PLACE);
    expect(condition(later, 'PlacementReady', 'a')).toBe(
      'True PlacementComputed: Placement decision is ready; hosts are not seen',
    );
    const given = view({ previous, run: closed({ outcome: 'Cancelled', released: ['a'] }) });
    expect(given.status.members[0]?.placement).toBeUndefined();
    expect(condition(given, 'PlacementReady', 'a')).toBe('False Pending: not placed yet');
    const created = { states: { a: seen('PoweredOff', { placement: PLACE }) } };
    const late = view({ previous, run: closed({ outcome: 'Cancelled', released: ['a'] }), ...created });
    expect(late.status.members[0]?.placement).toEqual(PLACE);
    const replaced = { ...base, virtualMachines: [vm('a', 'app', { uid: 'another' })] };
    expect(view({ previous, from: replaced }).status.members[0]?.placement).toBeUndefined();
  });

  test('pool and datastores stay once the VM exists, while it is in the zone that it was placed in', () => {
    const datastores = [{ name: 'fast', id: 'datastore-1' }];
    const given = { ...PLACE, pool: 'pool-1', datastores };
    const previous = view({ run: closed({ placements: { a: given } }) });
    const inZone = { zoneID: PLACE.zoneID, node: 'another-host' };
    const created = view({ previous, states: { a: seen('PoweredOff', { placement: inZone }) } });
    expect(created.status.members[0]?.placement).toEqual({ ...inZone, pool: 'pool-1', datastores });
    const later = view({ previous: created, states: { a: seen('PoweredOn', { placement: inZone }) } });
    expect(later.status.members[0]?.placement).toEqual({ ...inZone, pool: 'pool-1', datastores });
    const moved = view({
      previous,
      states: { a: seen('PoweredOn', { placement: { zoneID: 'elsewhere' } }) },
    });
    expect(moved.status.members[0]?.placement).toEqual({ zoneID: 'elsewhere' });
  });
});

describe('Ready', () => {
  const placedOn = seen('PoweredOn', { placement: PLACE });

  test('all members', () => {
    expect(condition(view({ states: { a: placedOn } }), 'Ready')).toBe(
      'True AllMembersReady: All group members are in desired state',
    );
  });

  test('names the members that are not', () => {
    const from = manifests({
      groups: [group('app', [tier(['a', 'b', 'c'])], on)],
      virtualMachines: [vm('a', 'app'), vm('b', 'app')],
    });
    expect(condition(view({ from, states: { a: placedOn } }), 'Ready')).toBe(
      'False MembersNotReady: 2 of 3 members not ready: b: PoweredOff, the group wants PoweredOn; c: VirtualMachine "c" does not exist',
    );
  });

  test('a gate that was not reached keeps the group unready while the VM is on', () => {
    const from = { ...base, policies: [policy('default', { gate: 'Ready' as const })] };
    const waiting = open({ phase: 'InProgress', waitsFor: 'waits until it is ready' });
    const of = view({ from, states: { a: placedOn }, run: waiting });
    expect(condition(of, 'PowerStateSynced', 'a')).toMatch(/^True/);
    expect(condition(of, 'Ready')).toContain('a: waits until it is ready');
    const ready = { ...placedOn, ready: true };
    expect(condition(view({ from, states: { a: ready }, run: waiting }), 'Ready')).toMatch(/^False RunOpen/);
    const other = { ...base, policies: [policy('default', { gate: 'Condition/Booted' as const })] };
    const state = (states: typeof placedOn) =>
      condition(view({ from: other, states: { a: states }, run: waiting }), 'Ready');
    expect(state(ready)).toContain('a: waits until it is ready');
    expect(state({ ...placedOn, conditions: ['Booted'] })).toMatch(/^False RunOpen/);
  });

  test('a probe keeps the group unready until its run has the answer, and is not repeated after that', () => {
    const probe = { tcpSocket: { port: 1 }, period: 500, timeout: 1_000, successThreshold: 1 };
    const from = { ...base, policies: [policy('default', { gate: 'Probe' as const, probe })] };
    const states = { a: placedOn };
    const waiting = open({
      phase: 'InProgress',
      waitsFor: 'PoweredOn and its probe (tcp: connection refused)',
    });
    const during = view({ from, states, run: waiting });
    expect(condition(during, 'Ready')).toContain('a: PoweredOn and its probe (tcp: connection refused)');
    expect(condition(view({ from, states, run: open({ phase: 'Done' }) }), 'Ready')).toMatch(
      /^False RunOpen/,
    );
    expect(condition(view({ from, states, previous: during }), 'Ready')).toMatch(/^True/);
    const parked = exception('Parked', 'GateTimeout: its probe did not succeed');
    expect(condition(view({ from, states, run: parked }), 'Ready')).toContain('its probe did not succeed');
    const own = {
      ...base,
      policies: [policy('default', { members: [{ name: 'a', gate: 'Probe' as const, probe }] })],
    };
    expect(condition(view({ from: own, states, run: waiting }), 'Ready')).toContain(
      'a: PoweredOn and its probe',
    );
  });

  test('STATUS-4: it comes with the end of the run, and stays while a run finds nothing to do', () => {
    const states = { a: placedOn };
    const run = open({ phase: 'InProgress' });
    const during = view({ states, run });
    expect(condition(during, 'Ready')).toBe(
      'False RunOpen: All group members are in desired state; the run has not ended yet',
    );
    const after = view({ states, previous: during });
    expect(condition(after, 'Ready')).toMatch(/^True/);
    expect(after.phase).toBe('Converged');
    expect(condition(view({ states, run, previous: after }), 'Ready')).toMatch(/^True/);
    expect(condition(view({ states: {}, run, previous: after }), 'Ready')).toMatch(/^False MembersNotReady/);
  });

  test('a group whose parent does not exist is not ready, regardless of its members', () => {
    const from = { ...base, groups: [group('app', [tier(['a'])], { ...on, groupName: 'gone' })] };
    expect(condition(view({ from, states: { a: placedOn } }), 'Ready')).toBe(
      'False ParentNotFound: VirtualMachineGroup "gone", which spec.groupName names, does not exist; All group members are in desired state',
    );
    expect(condition(view({ from }), 'Ready')).toContain('1 of 1 members not ready');
  });

  test("a nested group's readiness shows in its parent, its parent in its own conditions", () => {
    const from = manifests({
      groups: [
        group('app', [tier(['g:child'])], on),
        group('child', [tier(['a'])], { groupName: 'app' }),
        group('orphan', [], { ...on, groupName: 'nobody' }),
      ],
      virtualMachines: [vm('a', 'child')],
    });
    const child = view({ from, name: 'child' });
    const parent = view({ from, children: { child } });
    expect(condition(child, 'GroupLinked')).toBe('True MemberLinked: Group is linked to its parent "app"');
    expect(condition(parent, 'Ready', 'child')).toBe(condition(child, 'Ready'));
    expect(condition(parent, 'Ready')).toMatch(
      /^False MembersNotReady: .*VirtualMachineGroup\/child: 1 of 1/,
    );
    expect(condition(view({ from }), 'Ready', 'child')).toMatch(/^Unknown Pending/);
    expect(condition(view({ from, name: 'orphan' }), 'GroupLinked')).toMatch(/^False NotFound/);
  });
});

test('STATUS-3: lastTransitionTime moves only with the status', () => {
  const first = view({ now: T0 });
  const second = view({ now: T0 + 5_000, previous: first, run: open({ phase: 'InProgress' }) });
  const third = view({
    now: T0 + 9_000,
    previous: second,
    states: { a: seen('PoweredOn', { placement: PLACE }) },
  });
  const times = [first, second, third].map((of) => of.status.conditions[0]?.lastTransitionTime);
  expect(times).toEqual(['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z', '2026-01-01T00:00:09Z']);
});

test('lastUpdatedPowerStateTime is the end of the run that got there, and stays', () => {
  const done = view({ run: closed({ endedAt: T0 }) });
  expect(done.status.lastUpdatedPowerStateTime).toBe('2026-01-01T00:00:00Z');
  expect(view({ previous: done, run: open({}) }).status.lastUpdatedPowerStateTime).toBe(
    '2026-01-01T00:00:00Z',
  );
  expect(view({ run: closed({ outcome: 'Failed' }) }).status.lastUpdatedPowerStateTime).toBeUndefined();
});

describe('phase', () => {
  const placedOn = seen('PoweredOn', { placement: PLACE });
  const table: [string, Case, string][] = [
    ['a run that has not answered', { run: () => ({ phase: 'Open', runId: 'r', startedAt: 1 }) }, 'Starting'],
    ['a run', { run: open({}) }, 'PoweringOn'],
    ['converged without a run', { states: { a: placedOn } }, 'Converged'],
    ['about to start', { decision: { why: 'x', send: true } }, 'Pending'],
    ['waits for its parent', { moving: true }, 'Pending'],
    [
      'aborted',
      { run: closed({ outcome: 'Cancelled' }), decision: { why: 'stopped', stopped: true } },
      'Cancelled',
    ],
    ['failed', { run: closed({ outcome: 'Failed' }), decision: { why: 'stopped', stopped: true } }, 'Failed'],
    ['exceptions', { run: exception('Parked', 'no disk') }, 'ConvergedWithExceptions'],
    ['drift that is only reported', { run: closed(), decision: { why: 'reported' } }, 'OutOfSync'],
    ['no power state', { from: { ...base, groups: [group('app', [tier(['a'])])] } }, 'Unmanaged'],
  ];
  test.each(table)('%s', (_, of, expected) => {
    const { phase, message } = view(of);
    expect(phase).toBe(expected);
    expect(message).not.toBe('');
  });
});

test('the view has what the CLI prints', () => {
  const of = view({ run: closed({ endedAt: 50 }), states: { a: seen('PoweredOn', { placement: PLACE }) } });
  expect(of).toMatchObject({
    apiVersion: 'vmoperator.vmware.com/v1alpha6',
    kind: 'VirtualMachineGroup',
    metadata: { namespace: NS, name: 'app' },
    spec: { powerState: 'PoweredOn' },
    run: { workflowId: 'vmgroup/prod/app', runId: 'r1', endedAt: 50 },
    status: {
      observedGeneration: 1,
      members: [
        { name: 'a', kind: 'VirtualMachine', uid: 'vm-a', placement: PLACE, powerState: 'PoweredOn' },
      ],
    },
  });
});

describe('STATUS-5: what a run cannot report itself', () => {
  const health = (found: RunHealth) => (plan: Plan) => ({
    ...open({ phase: 'InProgress', activityId: 'power-on/a' })(plan),
    health: found,
  });
  const pause = { at: T0, by: 'ann', reason: 'look at the host' };

  test('an activity that is paused, at its member, with the command that unpauses it', () => {
    const run = health({ paused: [{ activityId: 'power-on/a', activityType: 'powerOn', ...pause }] });
    const of = view({ run });
    expect(condition(of, 'PowerStateSynced', 'a')).toBe(
      'False ActivityPaused: PoweredOff, the group wants PoweredOn: activity power-on/a is paused in Temporal by ann ' +
        'since 2026-01-01T00:00:00Z: look at the host; way out: temporal activity unpause -w vmgroup/prod/app --activity-id power-on/a',
    );
    expect(condition(of, 'Ready')).toMatch(/^False MembersNotReady.*is paused in Temporal by ann/);
    expect(of.run?.health).toBeDefined();
  });

  test('one that belongs to no member, at the group', () => {
    const run = health({ paused: [{ activityId: 'place', activityType: 'place', ...pause }] });
    expect(condition(view({ run }), 'Ready')).toMatch(/^False ActivityPaused: activity place is paused/);
  });

  test('a workflow task that fails, at the group and in its message', () => {
    const failure = { cause: 'NON_DETERMINISTIC_ERROR', message: 'no such command' };
    const run = health({ paused: [], workflowTask: { attempt: 7, since: T0, failure } });
    const of = view({ run });
    expect(condition(of, 'Ready')).toMatch(
      /^False WorkflowTaskFailing: .*attempt 7.*no such command.*terminate/,
    );
    expect(of.message).toContain('attempt 7');
    // Also where all members are as the group wants them: the run does not end.
    expect(condition(view({ run, states: { a: seen('PoweredOn', { placement: PLACE }) } }), 'Ready')).toMatch(
      /^False WorkflowTaskFailing/,
    );
  });
});

test('what made the last attempt fail stays in the condition until the state changes', () => {
  const failed = open({
    phase: 'InProgress',
    waitsFor: 'PoweredOn',
    attempt: 3,
    lastError: { class: 'Transient', message: 'VLAN42 is not on host esx-7', at: 1 },
  });
  expect(condition(view({ run: failed }), 'PowerStateSynced', 'a')).toBe(
    'False Pending: PoweredOff, the group wants PoweredOn: attempt 2 failed: Transient: VLAN42 is not on host esx-7',
  );
});

test('runs that do not continue are counted by reason', () => {
  const paused = [{ activityId: 'power-on/a', activityType: 'powerOn', at: T0, by: 'ann', reason: '' }];
  const run = (plan: Plan) => ({
    ...open({ phase: 'InProgress', activityId: 'power-on/a' })(plan),
    health: { paused },
  });
  const unserved = [{ platform: 'west', taskQueue: 'vmgroup/west' }];
  const waiting = (plan: Plan) => ({ ...run(plan), health: { paused: [], unserved } });
  expect(stuckRuns([view({ run }), view({ run }), view({ run: waiting }), view()])).toEqual({
    WorkflowTaskFailing: 0,
    RunPaused: 0,
    ActivityPaused: 2,
    NoPlatformWorker: 1,
    StalePlan: 0,
  });
});
