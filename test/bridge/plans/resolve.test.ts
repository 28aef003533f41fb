import type { AffinityTerm, Group, Manifests, VirtualMachine } from '../../../api';
import {
  indexManifests,
  planDigest,
  plansOf,
  resolvePlan,
  resolveQuorum,
  resolveTrees,
  topOf,
} from '../../../bridge';
import { memberKey, operationSettings, type Plan } from '../../../contract';
import { group, manifests, NS, observing, outcome, policy, POLICY, seen, tier, vm } from '../fixtures';

function planOf(from: Manifests, name = 'app', world = {}): Plan {
  const found = resolveTrees(from, world).find((plan) => plan.name === name);
  if (!found) throw new Error(`no plan of ${name}`);
  return found;
}

function members(plan: Plan): string[][] {
  return plan.tiers.map((each) => each.members.map((member) => `${memberKey(member)} ${member.link}`));
}

const on = { powerState: 'PoweredOn' as const };
const PROBE = { tcpSocket: { port: 5432 }, period: 500, timeout: 1_000, successThreshold: 1 };

describe('membership (RESOLVE-2, RESOLVE-3)', () => {
  const app = group('app', [tier(['db', 'stranger']), tier(['ghost', 'g:child'])], on);
  const from = manifests({
    groups: [app, group('child', [], { groupName: 'app' }), group('late', [], { groupName: 'app' })],
    virtualMachines: [
      vm('db', 'app'),
      vm('stranger', 'other'),
      vm('zeta', 'app'),
      vm('alpha', 'app'),
      vm('bystander'),
    ],
  });

  test('linked, not found, not a member, and unlisted members in a last tier, groups first', () => {
    expect(members(planOf(from))).toEqual([
      ['db Linked', 'stranger NotMember'],
      ['ghost NotFound', 'VirtualMachineGroup/child Linked'],
      ['VirtualMachineGroup/late Linked', 'alpha Linked', 'zeta Linked'],
    ]);
    expect(planOf(from).tiers[2]).toMatchObject({ powerOnDelay: 0, powerOffDelay: null });
  });

  test('a VM of another namespace is no member', () => {
    const other = manifests({
      groups: [group('app', [tier(['db'])], on)],
      virtualMachines: [vm('db', 'app', { namespace: 'elsewhere' })],
    });
    expect(members(planOf(other))).toEqual([['db NotFound']]);
  });
});

test('a place that the last run has just given back no longer counts, in nested groups too', () => {
  const from = manifests({
    groups: [group('app', [tier(['a', 'g:child'])], on), group('child', [tier(['b'])], { groupName: 'app' })],
    virtualMachines: [vm('a', 'app'), vm('b', 'child')],
  });
  const released = outcome(planOf(from), { outcome: 'Cancelled', released: ['a', 'b'], endedAt: 50 });
  const places = (isWatchBehind: boolean): boolean[] => {
    const there = seen('PoweredOff', { placement: { zoneID: 'zone-a' } });
    const plan = planOf(from, 'app', {
      observe: observing({ a: there, b: there }),
      isWatchBehind: () => isWatchBehind,
      released: ({ name }: Group) => (name === 'app' ? released.released : undefined),
    });
    return plansOf(plan)
      .flatMap(({ tiers }) => tiers.flatMap((each) => each.members))
      .filter(({ kind }) => kind === 'VirtualMachine')
      .map(({ observed }) => observed?.placement !== undefined);
  };
  expect(places(true)).toEqual([false, false]);
  // What is observed a while later is how it is.
  expect(places(false)).toEqual([true, true]);
});

describe('drivers (RESOLVE-1)', () => {
  const leaf = (over: Partial<Group> = {}) => group('leaf', [tier(['vm1'])], { groupName: 'mid', ...over });
  const table: { name: string; groups: Group[]; drivers: string[]; states: Record<string, string> }[] = [
    {
      name: 'a parent with a power state outranks its children',
      groups: [
        group('top', [tier(['g:mid'])], on),
        group('mid', [tier(['g:leaf'])], { groupName: 'top' }),
        leaf({ powerState: 'PoweredOff' }),
      ],
      drivers: ['top'],
      states: { top: 'PoweredOn', mid: 'PoweredOn', leaf: 'PoweredOn' },
    },
    {
      name: 'a parent without one leaves each child its own',
      groups: [
        group('top', [tier(['g:mid'])]),
        group('mid', [tier(['g:leaf'])], { groupName: 'top', powerState: 'Suspended' }),
        leaf({ powerState: 'PoweredOff' }),
      ],
      drivers: ['mid'],
      states: { mid: 'Suspended', leaf: 'Suspended' },
    },
    {
      name: 'the topmost with a power state drives, however far up',
      groups: [group('top', []), group('mid', [], { groupName: 'top' }), leaf({ powerState: 'PoweredOff' })],
      drivers: ['leaf'],
      states: { leaf: 'PoweredOff' },
    },
    {
      name: 'a parent that does not exist drives nothing',
      groups: [leaf(on)],
      drivers: ['leaf'],
      states: { leaf: 'PoweredOn' },
    },
    { name: 'without any power state nothing is driven', groups: [leaf()], drivers: [], states: {} },
  ];
  test.each(table)('$name', ({ groups, drivers, states }) => {
    const plans = resolveTrees(manifests({ groups, virtualMachines: [vm('vm1', 'leaf')] }));
    expect(plans.map((plan) => plan.name)).toEqual(drivers);
    const all = plans.flatMap(plansOf);
    expect(Object.fromEntries(all.map((plan) => [plan.name, plan.powerState]))).toEqual(states);
  });

  test('a cycle that last valid forms close ends, and touches nothing twice', () => {
    const groups = [
      group('a', [tier(['g:b'])], { ...on, groupName: 'b' }),
      group('b', [tier(['g:a'])], { groupName: 'a' }),
    ];
    const plans = resolveTrees(manifests({ groups })).flatMap(plansOf);
    const index = indexManifests(manifests({ groups }));
    expect(groups.map((each) => topOf(index, each).name)).toEqual(['a', 'a']);
    expect(new Set(plans.map((plan) => plan.name)).size).toBe(plans.length);
  });
});

describe('what nested plans carry', () => {
  const from = manifests({
    groups: [
      group('top', [tier(['g:mid'])], {
        ...on,
        generation: 3,
        powerOffMode: 'Hard',
        nextForcePowerStateSyncTime: 'now',
      }),
      group('mid', [tier(['vm1'])], {
        groupName: 'top',
        generation: 4,
        powerOffMode: 'Soft',
        suspendMode: 'Soft',
      }),
    ],
    virtualMachines: [vm('vm1', 'mid', { powerOffMode: 'TrySoft' })],
  });
  const top = planOf(from, 'top');
  const mid = top.tiers[0]?.members[0]?.plan;

  test('lineage, generation and root', () => {
    expect(top).toMatchObject({ lineage: 'group-top', generation: 3, root: 'top' });
    expect(mid).toMatchObject({
      lineage: 'group-top/group-mid',
      generation: 7,
      root: 'top',
      revision: 'mid@1',
    });
  });

  test("a parent's modes outrank a child's; a VM keeps its own as well", () => {
    expect(mid).toMatchObject({ powerOffMode: 'Hard', suspendMode: 'Soft' });
    expect(mid?.tiers[0]?.members[0]).toMatchObject({ powerOffMode: 'TrySoft' });
    expect(top.suspendMode).toBeUndefined();
  });

  test('`now` counts once for each revision, also below the group; a time is kept as it is', () => {
    expect(top.forceSync).toBe('now@top@1');
    expect(mid?.forceSync).toBe('now@top@1');
    const timed = manifests({
      groups: [group('app', [], { ...on, nextForcePowerStateSyncTime: '2026-01-01T00:00:00Z' })],
    });
    expect(planOf(timed).forceSync).toBe('2026-01-01T00:00:00Z');
  });
});

describe('policy', () => {
  test('the named one, else default of the namespace; tiers override', () => {
    const from = manifests({
      groups: [group('app', [tier(['a', 'b', 'c']), tier(['d'])], { ...on, policyName: 'careful' })],
      policies: [
        policy('default', { gate: 'None' }),
        policy('careful', {
          gate: 'Ready',
          quorum: '50%',
          optionalMembers: [{ kind: 'VirtualMachine', name: 'd' }],
          tiers: [{ tier: 1, gate: 'PoweredOn', whenParked: 'Fail', quorum: 9 }],
        }),
      ],
    });
    const [first, second] = planOf(from).tiers;
    expect(first).toMatchObject({ gate: 'Ready', quorum: 2, whenParked: 'Hold' });
    expect(second).toMatchObject({ gate: 'PoweredOn', quorum: 1, whenParked: 'Fail' });
    expect(second?.members[0]?.optional).toBe(true);
    expect(planOf(from).policy).toEqual({
      operationTimeout: POLICY.operationTimeout,
      retry: POLICY.retry,
      maxConcurrentOperations: 50,
      guestShutdownTimeout: 60_000,
      drift: POLICY.drift,
      deletion: 'Orphan',
    });
    const plain = { ...from, groups: [group('app', [tier(['a'])], on)] };
    expect(planOf(plain).tiers[0]?.gate).toBe('None');
  });

  test('built-in values where there is no policy', () => {
    const plan = planOf(manifests({ groups: [group('app', [tier(['a'])], on)], policies: [] }));
    expect(plan.policy.maxConcurrentOperations).toBe(50);
    expect(plan.tiers[0]?.gate).toBe('PoweredOn');
  });

  test.each([
    [undefined, 5, undefined],
    [3, 5, 3],
    [9, 5, 5],
    ['50%', 5, 3],
    ['7%', 100, 7],
    ['1%', 3, 1],
    ['100%', 4, 4],
    ['0%', 4, 0],
    [2, 0, 0],
  ] as const)('quorum %s of %d is %s', (quorum, size, expected) => {
    expect(resolveQuorum(quorum, size)).toBe(expected);
  });
});

test('a VM asks for what its class has, and for the zone it is pinned to', () => {
  const from = manifests({
    groups: [group('app', [tier(['a', 'b', 'c'])], on)],
    virtualMachines: [
      vm('a', 'app', { className: 'small', zone: 'z1' }),
      vm('b', 'app', { className: 'unknown' }),
      vm('c', 'app', { zone: 'z2' }),
    ],
    classes: [{ ...vm('small'), cpus: 2, memory: 1024 }],
  });
  expect(planOf(from).tiers[0]?.members.map((member) => member.requests)).toEqual([
    { cpus: 2, memory: 1024, zone: 'z1' },
    undefined,
    { cpus: 0, memory: 0, zone: 'z2' },
  ]);
});

describe('what affinity rules see', () => {
  const rule = (key: string, value: string): AffinityTerm => ({
    effect: 'AntiAffinity',
    strength: 'Required',
    topologyKey: 'kubernetes.io/hostname',
    selector: { matchLabels: {}, matchExpressions: [{ key, operator: 'In', values: [value] }] },
    path: `${key} in ${value}`,
  });
  const labels = { app: 'web', team: 'blue' };
  const from = (over: Partial<VirtualMachine> = {}): Manifests =>
    manifests({
      groups: [
        group('app', [tier(['a', 'g:child'])], on),
        group('child', [tier(['b'])], { groupName: 'app' }),
      ],
      virtualMachines: [
        vm('a', 'app', { labels, affinity: [rule('app', 'web')] }),
        vm('b', 'child', { labels: { app: 'db' } }),
        vm('selected', 'other', { labels }),
        vm('selecting', 'other', { affinity: [rule('app', 'db')] }),
        vm('indifferent', 'other', { labels: { app: 'cache' }, affinity: [rule('app', 'cache')] }),
        vm('elsewhere', 'app', { namespace: 'elsewhere', labels }),
        vm('c', 'other', over),
      ],
    });

  test('the labels that rules of the namespace select by, the rules, and the VMs outside the tree that they involve', () => {
    const plan = planOf(from());
    const [a, child] = plan.tiers[0]?.members ?? [];
    expect(a?.requests).toEqual({
      cpus: 0,
      memory: 0,
      labels: { app: 'web' },
      affinity: [rule('app', 'web')],
    });
    expect(child?.plan?.tiers[0]?.members[0]?.requests).toEqual({
      cpus: 0,
      memory: 0,
      labels: { app: 'db' },
    });
    expect(plan.beside).toEqual([
      { name: 'selected', uid: 'vm-selected', labels: { app: 'web' } },
      { name: 'selecting', uid: 'vm-selecting', affinity: [rule('app', 'db')] },
    ]);
    expect(child?.plan?.beside).toBeUndefined();
  });

  test('without rules there are no labels', () => {
    const plan = planOf(
      manifests({ groups: [group('app', [tier(['a'])], on)], virtualMachines: [vm('a', 'app', { labels })] }),
    );
    expect(plan.tiers[0]?.members[0]?.requests).toBeUndefined();
    expect(plan.beside).toEqual([]);
  });

  test('a change of what rules see is a change of what is wanted, any other label is not', () => {
    const before = planDigest(planOf(from()));
    expect(planDigest(planOf(from({ labels: { team: 'red' } })))).toBe(before);
    expect(planDigest(planOf(from({ labels: { app: 'web' } })))).not.toBe(before);
  });
});

describe('gates of tiers and members', () => {
  const other = { ...PROBE, tcpSocket: { port: 80 } };
  const from = (over: Parameters<typeof policy>[1]) =>
    manifests({
      groups: [group('app', [tier(['a', 'b']), tier(['c'])], on)],
      virtualMachines: [vm('a', 'app'), vm('b', 'app'), vm('c', 'app')],
      policies: [policy('default', over)],
    });

  test('a member outranks its tier, and a tier the policy', () => {
    const plan = planOf(
      from({
        gate: 'Probe',
        probe: PROBE,
        tiers: [{ tier: 1, gate: 'Ready' }],
        members: [
          { name: 'b', probe: other, gate: 'Probe', gateTimeout: 5 },
          { name: 'c', gate: 'Probe' },
        ],
      }),
    );
    expect(plan.tiers[0]).toMatchObject({ gate: 'Probe', probe: PROBE });
    expect(plan.tiers[1]).toMatchObject({ gate: 'Ready' });
    expect(plan.tiers[1]).not.toHaveProperty('probe');
    const settings = plan.tiers.flatMap((each) =>
      each.members.map((member) => operationSettings(plan, each, member)),
    );
    expect(settings.map(({ gate, probe, gateTimeout }) => [gate, probe, gateTimeout])).toEqual([
      ['Probe', PROBE, 600_000],
      ['Probe', other, 5],
      ['Probe', PROBE, 600_000],
    ]);
  });

  describe('readiness probes of VMs', () => {
    const readinessProbe = { guestHeartbeat: { thresholdStatus: 'green' as const }, ...PROBE };
    const asked = { gate: 'Probe', probe: readinessProbe };
    const nothing = { gate: undefined, probe: undefined };
    const machines = [vm('a', 'app', { readinessProbe }), vm('b', 'app')];
    const groups = [group('app', [tier(['a', 'b'])], on)];

    test.each([
      ['GATES-2: no policy', {}, false, asked],
      ['GATES-3: no policy, and the platform asks it itself', {}, true, { gate: 'Ready' }],
      ['GATES-1: Ready is what the probe says', { gate: 'Ready' as const }, false, asked],
      ['GATES-3: Ready as it stands', { gate: 'Ready' as const }, true, nothing],
      ['GATES-1: another gate', { gate: 'PoweredOn' as const }, false, nothing],
      ['GATES-1: another probe', { gate: 'Probe' as const, probe: PROBE }, false, nothing],
      ['GATES-1: another gate of the tier', { tiers: [{ tier: 0, gate: 'None' as const }] }, false, nothing],
      [
        'GATES-2: a time-out for the VM',
        { members: [{ name: 'a', gateTimeout: 5 }] },
        false,
        { ...asked, gateTimeout: 5 },
      ],
      [
        'GATES-1: Ready for the VM, which outranks its tier',
        { gate: 'None' as const, members: [{ name: 'a', gate: 'Ready' as const }] },
        false,
        asked,
      ],
      [
        'GATES-1: another gate for the VM',
        { gate: 'Ready' as const, members: [{ name: 'a', gate: 'None' as const }] },
        false,
        { gate: 'None', probe: undefined },
      ],
    ])('%s', (_, policyFields, probesItself, expected) => {
      const policies = [policy('default', policyFields)];
      const plan = planOf(manifests({ groups, virtualMachines: machines, policies }), 'app', {
        probesItself: () => probesItself,
      });
      const [a, b] = plan.tiers[0]?.members ?? [];
      expect({ gate: undefined, probe: undefined, ...a }).toMatchObject(expected);
      expect(b).not.toHaveProperty('gate');
    });
  });

  test('the plan of a policy without any of it is as before', () => {
    const [first] = planOf(from({})).tiers;
    expect(Object.keys(first ?? {})).not.toContain('probe');
    expect(first?.members.map((member) => Object.keys(member))).toEqual([
      ['kind', 'name', 'link', 'uid'],
      ['kind', 'name', 'link', 'uid'],
    ]);
  });

  test('the address of a guest stays out of the plan', () => {
    const observe = observing({ a: seen('PoweredOn', { address: '10.0.0.5' }) });
    const member = planOf(from({}), 'app', { observe }).tiers[0]?.members[0];
    expect(member?.observed).toEqual({ powerState: 'PoweredOn', at: 100 });
  });
});

describe('convergedAt of a nested group', () => {
  const child = group('child', [tier(['a', 'b'])], { groupName: 'app' });
  const from = manifests({
    groups: [group('app', [tier(['g:child'])], on), child],
    virtualMachines: [vm('a', 'child'), vm('b', 'child')],
  });
  const childPlan = planOf(from).tiers[0]?.members[0]?.plan as Plan;
  const convergedAt = (world: object, of = from) =>
    planOf(of, 'app', world).tiers[0]?.members[0]?.convergedAt;
  const parked = (over = {}) =>
    outcome(childPlan, { exceptions: [{ member: 'b', reason: 'Parked', message: '' }], ...over });

  const table: [string, object, Manifests, number | undefined][] = [
    [
      'when the last VM got there',
      { observe: observing({ a: seen('PoweredOn', { since: 7 }), b: seen('PoweredOn', { since: 9 }) }) },
      from,
      9,
    ],
    ['never seen VMs are off', { observe: observing({ a: 'PoweredOn' }) }, from, undefined],
    [
      'an exception of the same desired state is set aside',
      { observe: observing({ a: 'PoweredOn' }), lastOutcome: () => parked() },
      from,
      100,
    ],
    [
      'one of another revision is not',
      { observe: observing({ a: 'PoweredOn' }), lastOutcome: () => parked({ revision: 'child@0' }) },
      from,
      undefined,
    ],
    [
      'a running group is asked',
      { observe: observing({ a: 'PoweredOn', b: 'PoweredOn' }), isRunning: () => true },
      from,
      undefined,
    ],
    [
      'a gate that was not reached',
      { observe: observing({ a: seen('PoweredOn', { ready: true }), b: 'PoweredOn' }) },
      { ...from, policies: [policy('default', { gate: 'Ready' })] },
      undefined,
    ],
    [
      'a gate on a condition',
      { observe: observing({ a: seen('PoweredOn', { conditions: ['Booted'] }), b: 'PoweredOn' }) },
      { ...from, policies: [policy('default', { gate: 'Condition/Booted' })] },
      undefined,
    ],
    [
      'a probe: its answer is not visible, so the group is asked',
      { observe: observing({ a: 'PoweredOn', b: 'PoweredOn' }) },
      { ...from, policies: [policy('default', { members: [{ name: 'b', gate: 'Probe', probe: PROBE }] })] },
      undefined,
    ],
    [
      'a missing VM',
      { observe: observing({ a: 'PoweredOn' }) },
      { ...from, virtualMachines: [vm('a', 'child')] },
      undefined,
    ],
    [
      'one that is no member does not count',
      { observe: observing({ a: 'PoweredOn' }) },
      { ...from, virtualMachines: [vm('a', 'child'), vm('b')] },
      100,
    ],
    [
      'suspended: a VM that is off is there',
      { observe: observing({ a: 'Suspended' }) },
      { ...from, groups: [group('app', [tier(['g:child'])], { powerState: 'Suspended' }), child] },
      100,
    ],
    [
      'nothing below',
      {},
      {
        ...from,
        groups: [group('app', [tier(['g:child'])], on), { ...child, tiers: [] }],
        virtualMachines: [],
      },
      0,
    ],
  ];
  test.each(table)('%s', (_, world, of, expected) => {
    expect(convergedAt(world, of)).toBe(expected);
  });
});

describe('planDigest', () => {
  const from = manifests({
    groups: [group('app', [tier(['a', 'g:child'])], on), group('child', [tier(['b'])], { groupName: 'app' })],
    virtualMachines: [vm('a', 'app'), vm('b', 'child')],
  });
  const base = planDigest(planOf(from));

  test('does not see what is observed, drift, corrections or times of files', () => {
    const world = {
      observe: observing({ a: 'PoweredOn', b: 'PoweredOn' }),
      lastOutcome: () => outcome(planOf(from), { corrections: { a: [1, 2] } }),
    };
    const plan = planOf(from, 'app', world);
    expect(plan.corrections).toEqual({ a: [1, 2] });
    expect(planDigest(plan)).toBe(base);
    const touched = { ...from, groups: from.groups.map((each) => ({ ...each, generation: 99 })) };
    expect(planDigest(planOf(touched))).toBe(base);
  });

  test.each<[string, Partial<Manifests>]>([
    ['a VM that joins a nested group', { virtualMachines: [...from.virtualMachines, vm('c', 'child')] }],
    ['a VM that leaves', { virtualMachines: [vm('a'), vm('b', 'child')] }],
    ['a policy', { policies: [policy('default', { maxConcurrentOperations: 1 })] }],
    ['a revision', { groups: from.groups.map((each) => ({ ...each, revision: 'new' })) }],
    [
      'a power state',
      { groups: from.groups.map((each) => ({ ...each, powerState: 'PoweredOff' as const })) },
    ],
  ])('sees %s', (_, over) => {
    expect(planDigest(planOf({ ...from, ...over }))).not.toBe(base);
  });
});

test('a group without a power state of its own has no plan of its own', () => {
  const from = manifests({ groups: [group('app', [])] });
  const index = indexManifests(from);
  expect(resolvePlan(index, from.groups[0] as Group)).toBeUndefined();
  expect(index.groups.has(`${NS}/app`)).toBe(true);
});

test('targets of the policy and the mark of a rehearsal travel in the plan, the mark to nested groups too', () => {
  const from = manifests({
    groups: [
      group('app', [tier(['a']), tier(['g:child'])], { ...on, test: true, policyName: 'p' }),
      group('child', [tier(['b'])], { groupName: 'app' }),
    ],
    virtualMachines: [vm('a', 'app'), vm('b', 'child')],
    policies: [policy('p', { targets: { rto: 1_800_000 }, tiers: [{ tier: 0, targets: { rto: 600_000 } }] })],
  });
  const plan = planOf(from);
  expect(plan.policy.targets).toEqual({ rto: 1_800_000 });
  expect(plan.tiers.map(({ targets }) => targets)).toEqual([{ rto: 600_000 }, undefined]);
  expect(plansOf(plan).map(({ name, test, policy: { targets } }) => [name, test, targets])).toEqual([
    ['app', true, { rto: 1_800_000 }],
    ['child', true, undefined],
  ]);
});
