/** How the stand-in for VM Operator's VM controller reacts to one VM: tables. */
import type { PowerState } from '../../api';
import type { KubernetesObject, VirtualMachineObject } from '../../kubernetes';
import type { VmRecord } from '../../simulator/engine';
import { PlatformError, type FailureClass } from '../../platforms';
import type { VmFacts } from '../../simulator/vm-controller/facts';
import { isWokenBy, membersOfGroup } from '../../simulator/vm-controller/group-members';
import { vcenterMessage } from '../../simulator/vm-controller/power';
import { reactionTo } from '../../simulator/vm-controller/reaction';
import { classifyWarning } from '../../platforms/vm-operator/warnings';
import { zonesOf } from '../../simulator/vm-controller/zone-specs';
import { inventory } from './fixtures';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const PATIENCE = 300_000;
const FINALIZER = 'vmoperator.vmware.com/virtualmachine';
const BOOTED = { 'virtualmachine.vmoperator.vmware.com/first-boot-done': 'true' };
const APPLY = 'vmoperator.vmware.com.protected/apply-power-state-time';

interface Over {
  spec?: VirtualMachineObject['spec'];
  metadata?: Partial<KubernetesObject['metadata']>;
}

function object({ spec = {}, metadata = {} }: Over = {}): VirtualMachineObject {
  return {
    metadata: {
      namespace: 'prod',
      name: 'db',
      uid: 'uid-1',
      finalizers: [FINALIZER],
      ...metadata,
      annotations: { ...BOOTED, ...metadata.annotations },
    },
    spec,
    status: {},
  };
}

function machine(powerState: PowerState, over: Partial<VmRecord> = {}): VmRecord {
  return {
    vm: { namespace: 'prod', name: 'db', uid: 'uid-1' },
    cpus: 1,
    memory: 1,
    powerState,
    since: 0,
    ready: false,
    placement: { zoneID: 'zone-a', node: 'host-1' },
    placedBy: 'vm-controller',
    ...over,
  };
}

function facts(over: Partial<VmFacts> = {}): VmFacts {
  return {
    object: object(),
    group: undefined,
    size: { cpus: 1, memory: 1 },
    machine: undefined,
    now: NOW,
    guestPatience: PATIENCE,
    ...over,
  };
}

/** What it does, in one word each. */
function acts(over: Partial<VmFacts>): string[] {
  return reactionTo(facts(over)).actions.map((action) =>
    action.type === 'power'
      ? ['power', action.request.powerState, action.request.mode].filter(Boolean).join(' ')
      : action.type,
  );
}

/** Its conditions as `type=status/reason: message`. */
function said(over: Partial<VmFacts>): string[] {
  const { conditions = [] } = reactionTo(facts(over)).status ?? {};
  return conditions.map(({ type, status, reason, message }) => `${type}=${status}/${reason}: ${message}`);
}

const modes = [undefined, 'Hard', 'Soft', 'TrySoft'] as const;

describe('power: what leads from one state to another', () => {
  test.each<[PowerState, PowerState | undefined, string, string[]]>([
    ['PoweredOff', undefined, 'without mode', ['power PoweredOn']],
    ['PoweredOff', 'PoweredOn', 'without mode', ['power PoweredOn']],
    ['Suspended', 'PoweredOn', 'without mode', ['power PoweredOn']],
    ['PoweredOn', 'PoweredOn', 'without mode', []],
    ['PoweredOff', 'PoweredOff', 'without mode', []],
    ['Suspended', 'Suspended', 'without mode', []],
    ['PoweredOff', 'Suspended', 'without mode', []],
    ['PoweredOn', 'PoweredOff', 'without mode', ['power PoweredOff TrySoft']],
    ['PoweredOn', 'Suspended', 'without mode', ['power Suspended TrySoft']],
    ['Suspended', 'PoweredOff', 'without mode', ['power PoweredOff TrySoft']],
  ])('%s -> %s %s', (from, to, _, expected) => {
    expect(acts({ object: object({ spec: to ? { powerState: to } : {} }), machine: machine(from) })).toEqual(
      expected,
    );
  });

  test.each(modes)('mode %s: of power-off and of suspend, each its own', (mode) => {
    const other = mode === 'Hard' ? 'Soft' : 'Hard';
    const off = { powerState: 'PoweredOff', suspendMode: other, ...(mode && { powerOffMode: mode }) };
    const suspend = { powerState: 'Suspended', powerOffMode: other, ...(mode && { suspendMode: mode }) };
    const on = machine('PoweredOn');
    expect(acts({ object: object({ spec: off }), machine: on })).toEqual([
      `power PoweredOff ${mode ?? 'TrySoft'}`,
    ]);
    expect(acts({ object: object({ spec: suspend }), machine: on })).toEqual([
      `power Suspended ${mode ?? 'TrySoft'}`,
    ]);
    expect(acts({ object: object({ spec: off }), machine: machine('Suspended') })).toEqual(
      mode === 'Soft' ? [] : [`power PoweredOff ${mode ?? 'TrySoft'}`],
    );
  });

  test('a power state that is none changes nothing, and is reported', () => {
    const odd = { object: object({ spec: { powerState: 'Hibernated' } }), machine: machine('PoweredOn') };
    expect(acts(odd)).toEqual([]);
    expect(said(odd)).toContain(
      'VirtualMachinePowerStateSynced=False/NotSynced: spec.powerState=Hibernated != status.powerState=PoweredOn',
    );
  });
});

describe('STANDIN-7: what comes before power', () => {
  const soon = new Date(NOW + 1_000).toISOString();
  const over = new Date(NOW - 1_000).toISOString();
  const paused = { 'vmoperator.vmware.com/paused': '' };
  const check = { 'poweron.check.vmoperator.vmware.com/backup': '' };
  const off = { spec: { powerState: 'PoweredOff' } };
  const suspended = { spec: { powerState: 'Suspended' } };

  test.each<{
    name: string;
    of: Over;
    from: PowerState;
    expected: string[];
    wakeAt?: number;
    failure?: RegExp;
  }>([
    {
      name: 'a time to come',
      of: { metadata: { annotations: { [APPLY]: soon } } },
      from: 'PoweredOff',
      expected: [],
      wakeAt: NOW + 1_000,
    },
    {
      name: 'a time to come, state reached',
      of: { metadata: { annotations: { [APPLY]: soon } } },
      from: 'PoweredOn',
      expected: [],
      wakeAt: NOW + 1_000,
    },
    {
      name: 'a time that is over',
      of: { metadata: { annotations: { [APPLY]: over } } },
      from: 'PoweredOff',
      expected: ['dropApplyTime', 'power PoweredOn'],
    },
    {
      name: 'a time that is over, paused',
      of: { metadata: { annotations: { [APPLY]: over, ...paused } } },
      from: 'PoweredOff',
      expected: ['dropApplyTime'],
    },
    {
      name: 'a time that is none',
      of: { metadata: { annotations: { [APPLY]: 'soon' } } },
      from: 'PoweredOff',
      expected: [],
      failure: /"soon" is not a time.*RFC3339Nano/,
    },
    {
      name: 'a time before suspend is not looked at',
      of: { ...suspended, metadata: { annotations: { [APPLY]: 'soon' } } },
      from: 'PoweredOn',
      expected: ['power Suspended TrySoft'],
    },
    {
      name: 'paused by annotation',
      of: { metadata: { annotations: paused } },
      from: 'PoweredOff',
      expected: [],
    },
    { name: 'paused by label', of: { metadata: { labels: paused } }, from: 'PoweredOff', expected: [] },
    {
      name: 'paused, to be off',
      of: { ...off, metadata: { labels: paused } },
      from: 'PoweredOn',
      expected: [],
    },
    { name: 'a check', of: { metadata: { annotations: check } }, from: 'PoweredOff', expected: [] },
    {
      name: 'a check, to be off',
      of: { ...off, metadata: { annotations: check } },
      from: 'PoweredOn',
      expected: ['power PoweredOff TrySoft'],
    },
  ])('$name', ({ of, from, expected, wakeAt, failure }) => {
    const given = { object: object(of), machine: machine(from) };
    expect(acts(given)).toEqual(expected);
    const reaction = reactionTo(facts(given));
    expect(reaction.wakeAt).toBe(wakeAt);
    expect(reaction.failure?.message ?? '').toMatch(failure ?? /^$/);
    if (failure) expect(reaction.failure?.reason).toBe('UpdateFailure');
  });
});

describe('STANDIN-6: operations in progress, and such as failed', () => {
  const pending = {
    operationId: 'op-1',
    sequence: 0,
    caller: 'x',
    target: 'PoweredOff',
    acceptedAt: NOW - 1_000,
  } as const;
  const failed = {
    id: 'op-1',
    sequence: 0,
    phase: 'Failed',
    failure: { class: 'Transient', message: 'no luck' },
  } as const;
  const off = object({ spec: { powerState: 'PoweredOff' } });
  const soft = object({ spec: { powerState: 'PoweredOff', powerOffMode: 'Soft' } });
  const late = { ...pending, mode: 'Soft', acceptedAt: NOW - PATIENCE } as const;

  test.each<{ name: string; given: Partial<VmFacts>; expected: string[]; wakeAt?: number; failure?: RegExp }>(
    [
      {
        name: 'the same way',
        given: { object: off, machine: machine('PoweredOn', { pending }) },
        expected: [],
      },
      { name: 'the other way', given: { machine: machine('PoweredOn', { pending }) }, expected: [] },
      {
        name: 'Soft',
        given: { object: soft, machine: machine('PoweredOn', { pending: { ...pending, mode: 'Soft' } }) },
        expected: [],
        wakeAt: NOW - 1_000 + PATIENCE,
      },
      {
        name: 'Soft, for too long',
        given: { object: soft, machine: machine('PoweredOn', { pending: late }) },
        expected: [],
        failure: /timed out after 300 s/,
      },
      {
        name: 'Soft, for too long, reported',
        given: { object: soft, reported: 'op-1', machine: machine('PoweredOn', { pending: late }) },
        expected: ['power PoweredOff Soft'],
      },
      {
        name: 'failed',
        given: { object: off, machine: machine('PoweredOn', { operation: failed }) },
        expected: [],
        failure: /no luck/,
      },
      {
        name: 'failed, reported',
        given: { object: off, reported: 'op-1', machine: machine('PoweredOn', { operation: failed }) },
        expected: ['power PoweredOff TrySoft'],
      },
      {
        name: 'another one failed',
        given: { object: off, reported: 'op-0', machine: machine('PoweredOn', { operation: failed }) },
        expected: [],
        failure: /no luck/,
      },
    ],
  )('$name', ({ given, expected, wakeAt, failure }) => {
    expect(acts(given)).toEqual(expected);
    const reaction = reactionTo(facts(given));
    expect(reaction.wakeAt).toBe(wakeAt);
    expect(reaction.failure?.message ?? '').toMatch(failure ?? /^$/);
    expect(reaction.settled).toBe(false);
  });

  test('what failed counts no more once the state is reached and nothing is in progress', () => {
    expect(reactionTo(facts({ machine: machine('PoweredOn') })).settled).toBe(true);
    expect(reactionTo(facts({ machine: machine('PoweredOn', { pending }) })).settled).toBe(false);
  });
});

const operation = {
  uid: 'uid-1',
  id: 'run/1',
  sequence: 1,
  powerState: 'PoweredOn',
  caller: 'vmgroup/prod/shop',
};
const theirs = { caller: 'vmgroup/prod/shop', requestId: 'run/1' };
const own = { caller: 'vm-controller' };

test.each<{ name: string; written?: unknown; used?: string; expected: object }>([
  { name: 'no one', expected: own },
  { name: 'a run', written: operation, expected: theirs },
  { name: 'a run, and it was carried out before', written: operation, used: 'run/1', expected: own },
  {
    name: 'a run, another operation of which was carried out',
    written: operation,
    used: 'run/0',
    expected: theirs,
  },
  { name: 'a run, for another state', written: { ...operation, powerState: 'PoweredOff' }, expected: own },
  { name: 'a run, of another VM', written: { ...operation, uid: 'uid-0' }, expected: own },
  { name: 'a text of another form', written: ['run/1'], expected: own },
])('who asked, by what is recorded on the VM: $name', ({ written, used, expected }) => {
  const annotations: Record<string, string> =
    written === undefined ? {} : { 'vmgroup.dev/operation': JSON.stringify(written) };
  const given = {
    object: object({ metadata: { annotations } }),
    machine: machine('PoweredOff', used === undefined ? {} : { requestId: used }),
  };
  const [action] = reactionTo(facts(given)).actions;
  expect(action).toEqual({ type: 'power', request: { powerState: 'PoweredOn', ...expected } });
});

test.each<[FailureClass, string]>([
  ['NoCapacity', 'NoCapacity'],
  ['Throttled', 'Throttled'],
  ['Permanent', 'Permanent'],
  ['Transient', 'Transient'],
])('a refusal of class %s is worded so that its readers tell its class', (failureClass, read) => {
  expect(classifyWarning(vcenterMessage(new PlatformError(failureClass, 'simulated fault: something')))).toBe(
    read,
  );
});

test('the first power-on is marked once, the finalizer is there before anything else', () => {
  const fresh = object({ metadata: { finalizers: ['other'] } });
  delete fresh.metadata.annotations;
  expect(acts({ object: fresh })).toEqual(['addFinalizer', 'create']);
  expect(acts({ object: fresh, machine: machine('PoweredOff') })).toEqual([
    'addFinalizer',
    'power PoweredOn',
  ]);
  expect(acts({ object: fresh, machine: machine('PoweredOn') })).toEqual(['addFinalizer', 'markFirstBoot']);
  expect(acts({ machine: machine('PoweredOn') })).toEqual([]);
});

test('an object that is being deleted: the VM is deleted, and its status is not written', () => {
  const leaving = object({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } });
  expect(reactionTo(facts({ object: leaving, machine: machine('PoweredOn') }))).toEqual({
    actions: [{ type: 'delete' }],
    status: undefined,
    settled: true,
  });
});

test('a paused VM is not created; a missing class is reported', () => {
  expect(acts({ object: object({ metadata: { labels: { 'vmoperator.vmware.com/paused': '' } } }) })).toEqual(
    [],
  );
  const classless = { object: object({ spec: { className: 'big' } }), size: undefined };
  expect(acts(classless)).toEqual([]);
  expect(reactionTo(facts(classless)).failure).toEqual({
    reason: 'CreateFailure',
    message: 'there is no VirtualMachineClass "big" that can be read',
  });
});

describe('groups with any content are read', () => {
  test.each<{ name: string; spec?: unknown; status?: unknown; listed: string[]; members: object }>([
    { name: 'nothing', listed: [], members: {} },
    {
      name: 'texts in the place of lists',
      spec: { bootOrder: 'x' },
      status: { members: 'x' },
      listed: [],
      members: {},
    },
    {
      name: 'nulls',
      spec: { bootOrder: [null, { members: [null] }] },
      status: { members: [null] },
      listed: [],
      members: {},
    },
    {
      name: 'members of both kinds',
      spec: {
        bootOrder: [
          { members: [{ name: 'a' }, { name: 'g', kind: 'VirtualMachineGroup' }] },
          { members: [{ name: 'b', kind: 'VirtualMachine' }] },
        ],
      },
      status: {
        members: [
          {
            name: 'a',
            kind: 'VirtualMachine',
            uid: 'u',
            placement: { zoneID: 'z', node: 'n' },
            conditions: [
              { type: 'PlacementReady', status: 'True' },
              { type: 'GroupLinked', status: 'False' },
            ],
          },
          { name: 'g', kind: 'VirtualMachineGroup' },
        ],
      },
      listed: ['a', 'b'],
      members: { a: { uid: 'u', zone: 'z', node: 'n', placementReady: true, linked: false } },
    },
  ])('$name', ({ spec, status, listed, members }) => {
    const seen = membersOfGroup({ metadata: { name: 'shop' }, spec, status });
    expect([...seen.listed]).toEqual(listed);
    expect(Object.fromEntries(seen.members)).toEqual(members);
  });

  test.each<[string, boolean, string[], boolean]>([
    ['linked, the VM knows nothing yet', true, [], true],
    ['linked, the VM is linked but has no place', true, ['GroupLinked'], true],
    ['linked, the VM has both', true, ['GroupLinked', 'VirtualMachineConditionPlacementReady'], false],
    ['not linked', false, [], false],
  ])('a VM is woken: %s', (_, linked, held, expected) => {
    const vm = object();
    vm.status.conditions = held.map((type) => ({ type, status: 'True' }));
    expect(isWokenBy({ linked, placementReady: true }, vm)).toBe(expected);
  });
});

test('zones of an inventory: the pools of their hosts, and all that these have', () => {
  const host = { zone: 'zone-a', pool: 'pool-1', cpus: 1.5, memory: 10 };
  const zones = zonesOf(
    inventory({}, [
      { ...host, name: 'h1' },
      { ...host, name: 'h2', pool: 'pool-2' },
      { ...host, name: 'h3' },
      { ...host, name: 'h4', zone: 'zone-b' },
    ]),
  );
  expect([...zones.keys()]).toEqual(['zone-a', 'zone-b']);
  expect(zones.get('zone-a')).toEqual({
    availabilityZoneReference: { apiVersion: 'topology.tanzu.vmware.com/v1alpha1', name: 'zone-a' },
    managedVMs: { poolMoIDs: ['pool-1', 'pool-2'] },
    cpu: { limit: '4500000000' },
    memory: { limit: '30' },
  });
});
