/**
 * What one version of a VirtualMachine says, and what VM Operator's warnings mean: pure.
 *
 * Guarantees: G4.
 */
import type { VirtualMachineObject } from '../../kubernetes';
import { classifyWarning, warningOf } from '../../platforms/vm-operator/warnings';
import { observe, type Circumstances } from '../../platforms/vm-operator/observe';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const at = (seconds: number): string => new Date(NOW + seconds * 1_000).toISOString();

interface Written {
  desired?: string;
  is?: string;
  /** Seconds after NOW. */
  askedAt?: number;
  record?: object;
  annotations?: Record<string, string>;
  vm?: Partial<VirtualMachineObject['metadata']>;
  spec?: object;
  status?: object;
}

/** A VM that was asked to be on. */
function vm(written: Written = {}): VirtualMachineObject {
  const { desired = 'PoweredOn', is = 'PoweredOff', askedAt = 0, record, annotations } = written;
  const operation = {
    uid: 'u',
    id: 'op',
    sequence: 1,
    powerState: 'PoweredOn',
    caller: 'c',
    at: at(askedAt),
    ...record,
  };
  return {
    metadata: {
      namespace: 'prod',
      name: 'db',
      uid: 'u',
      ...written.vm,
      annotations: { 'vmgroup.dev/operation': JSON.stringify(operation), ...annotations },
    },
    spec: { powerState: desired, ...written.spec },
    status: { powerState: is, uniqueID: 'id', ...written.status },
  };
}

function operation(written: Written, over: Partial<Circumstances> & { warnedAt?: number } = {}): unknown {
  const { warnedAt, ...circumstances } = over;
  const time = NOW + (warnedAt ?? 0) * 1_000;
  const warning = {
    vm: { namespace: 'prod', name: 'db', uid: 'u' },
    first: time,
    last: time,
    message: 'the host is gone',
  };
  const seen = observe(vm(written), {
    at: NOW,
    now: NOW,
    patience: 10_000,
    ...circumstances,
    ...(warnedAt !== undefined && { warning }),
  });
  return {
    ...seen.state.operation,
    ...(seen.reviewAt !== undefined && { again: (seen.reviewAt - NOW) / 1_000 }),
  };
}

const base = { id: 'op', sequence: 1, caller: 'c' };
const seconds = (after: number): { now: number } => ({ now: NOW + after * 1_000 });

test.each<[string, Written, Parameters<typeof operation>[1], object]>([
  ['under way', {}, {}, { ...base, phase: 'InProgress' }],
  ['there', { is: 'PoweredOn' }, {}, { ...base, phase: 'Done' }],
  [
    'there, and sent elsewhere by hand',
    { is: 'PoweredOn', desired: 'PoweredOff' },
    {},
    { ...base, phase: 'InProgress' },
  ],
  [
    'overruled by hand',
    { desired: 'PoweredOff' },
    {},
    {
      ...base,
      phase: 'Failed',
      failure: {
        class: 'Transient',
        message:
          'spec.powerState of VM prod/db was set to PoweredOff by another client before operation op (PoweredOn) took effect',
      },
    },
  ],
  [
    'turned round: it may look there while VM Operator still carries out the opposite',
    { is: 'PoweredOn', record: { turnedRound: true } },
    seconds(1),
    { ...base, phase: 'InProgress', again: 5 },
  ],
  [
    'turned round, a while ago',
    { is: 'PoweredOn', record: { turnedRound: true } },
    seconds(5),
    { ...base, phase: 'Done' },
  ],
  [
    'turned round, by a process whose clock is ahead',
    { is: 'PoweredOn', askedAt: 3_600, record: { turnedRound: true } },
    seconds(5),
    { ...base, phase: 'Done' },
  ],
  [
    'turned round by an operation before it',
    { is: 'PoweredOn', askedAt: 4, record: { turnedRound: true, since: at(0) } },
    seconds(4),
    { ...base, phase: 'InProgress', again: 5 },
  ],
  [
    'a warning from before',
    { askedAt: 5 },
    { ...seconds(60), at: NOW + 5_000, warnedAt: 0 },
    { ...base, phase: 'InProgress' },
  ],
  [
    'warned of just now',
    {},
    { ...seconds(3), warnedAt: 2 },
    { ...base, phase: 'InProgress', hold: 'VM Operator: the host is gone', again: 12 },
  ],
  [
    'warned of, and nothing since',
    {},
    { ...seconds(12), warnedAt: 2 },
    { ...base, phase: 'Failed', failure: { class: 'Transient', message: 'VM Operator: the host is gone' } },
  ],
  [
    'asked again: VM Operator repeats a warning rarely, so the one since it was first asked counts',
    { askedAt: 20, record: { since: at(0) } },
    { ...seconds(30), warnedAt: 2 },
    { ...base, phase: 'Failed', failure: { class: 'Transient', message: 'VM Operator: the host is gone' } },
  ],
  [
    'warned of, and asked for by a process whose clock is ahead',
    { askedAt: 3_600 },
    { ...seconds(12), warnedAt: 2 },
    { ...base, phase: 'Failed', failure: { class: 'Transient', message: 'VM Operator: the host is gone' } },
  ],
  [
    'warned of, and there all the same',
    { is: 'PoweredOn' },
    { ...seconds(60), warnedAt: 2 },
    { ...base, phase: 'Done' },
  ],
  [
    'paused by label',
    { vm: { labels: { 'vmoperator.vmware.com/paused': '' } } },
    { ...seconds(60), warnedAt: 2 },
    {
      ...base,
      phase: 'InProgress',
      hold: 'VM Operator leaves it alone while it has the annotation or label vmoperator.vmware.com/paused: take that off',
    },
  ],
  [
    'not created, with what VM Operator says of that',
    {
      status: {
        uniqueID: '',
        conditions: [{ type: 'GroupLinked', status: 'False', reason: 'NotMember', message: '' }],
      },
    },
    {},
    { ...base, phase: 'InProgress', hold: 'VM Operator has not created it yet (GroupLinked: NotMember)' },
  ],
  [
    'suspended, and to be shut down softly',
    {
      desired: 'PoweredOff',
      is: 'Suspended',
      record: { powerState: 'PoweredOff' },
      spec: { powerOffMode: 'Soft' },
    },
    {},
    {
      ...base,
      phase: 'InProgress',
      hold: 'VM Operator does not power off a suspended VM in mode Soft: set powerOffMode to TrySoft or Hard',
    },
  ],
  [
    'a record of another VM',
    { record: { uid: 'other' } },
    {},
    { id: 'spec.powerState=PoweredOn', sequence: 0, phase: 'InProgress' },
  ],
  [
    'a broken record',
    { annotations: { 'vmgroup.dev/operation': '{' } },
    {},
    { id: 'spec.powerState=PoweredOn', sequence: 0, phase: 'InProgress' },
  ],
  ['no record, and nothing on its way', { is: 'PoweredOn', record: { uid: '' } }, {}, {}],
])('an operation: %s', (_what, written, circumstances, expected) => {
  expect(operation(written, circumstances)).toEqual(expected);
});

test('OBSERVATION-2: since when a VM is in its state: rounded up, never later than it was seen, and only of that state', () => {
  const synced = (message: string, lastTransitionTime: string): Written => ({
    is: 'PoweredOn',
    status: {
      conditions: [{ type: 'VirtualMachinePowerStateSynced', status: 'True', message, lastTransitionTime }],
    },
  });
  const since = (written: Written): number | undefined =>
    observe(vm(written), { at: NOW, now: NOW, patience: 0 }).state.status.since;
  expect(since(synced('PoweredOn', '2026-03-01T11:59:50Z'))).toBe(NOW - 10_000 + 999);
  expect(since(synced('PoweredOn', '2026-03-01T12:00:00Z'))).toBe(NOW);
  expect(since(synced('PoweredOff', '2026-03-01T11:59:50Z'))).toBeUndefined();
  expect(since({ is: 'PoweredOn' })).toBeUndefined();
});

test('readiness counts while the VM is on', () => {
  const ready = (is: string, status: string): boolean | undefined =>
    observe(vm({ is, status: { conditions: [{ type: 'Ready', status }] } }), {
      at: NOW,
      now: NOW,
      patience: 0,
    }).state.status.ready;
  expect(ready('PoweredOn', 'True')).toBe(true);
  expect(ready('PoweredOn', 'Unknown')).toBe(false);
  expect(ready('PoweredOff', 'True')).toBe(false);
});

test.each([
  ['Insufficient resources to satisfy configured failover level for vSphere HA', 'NoCapacity'],
  ['no placement candidates', 'NoCapacity'],
  ['simulated fault: no host has room', 'NoCapacity'],
  ['429 Too Many Requests', 'Throttled'],
  ['The attempted operation cannot be performed in the current state (Powered on).', 'Transient'],
  ['Permission to perform this operation was denied', 'Permanent'],
  ['virtualmachineclasses "large" not found', 'Permanent'],
  ["Invalid configuration for device '0'", 'Permanent'],
  ['the host did not answer', 'Transient'],
] as const)('VM Operator says %p: %s', (message, expected) => {
  expect(classifyWarning(message)).toBe(expected);
});

test('events of both kinds are read; what says nothing of power is not', () => {
  const regarding = { namespace: 'prod', name: 'db', uid: 'u' };
  const event = {
    metadata: { name: 'e', creationTimestamp: at(1) },
    regarding,
    reason: 'UpdateFailure',
    note: 'the host is gone',
  };
  const read = { vm: regarding, message: 'the host is gone' };
  expect(warningOf({ ...event, eventTime: at(1), series: { lastObservedTime: at(9) } } as never)).toEqual({
    ...read,
    first: NOW + 1_000,
    last: NOW + 9_000,
  });
  const old = { ...event, eventTime: null, deprecatedFirstTimestamp: at(0), deprecatedLastTimestamp: at(5) };
  expect(warningOf({ ...old, note: `(combined from similar events): ${event.note}` } as never)).toEqual({
    ...read,
    first: NOW,
    last: NOW + 5_000,
  });
  expect(warningOf({ ...event, reason: 'VolumeAttachmentFailure' } as never)).toBeUndefined();
  expect(warningOf({ ...event, note: 'the object has been modified; try again' } as never)).toBeUndefined();
  const later = 'failed to reconcile power state: requeue after 4.417705146s';
  expect(warningOf({ ...event, note: later } as never)).toBeUndefined();
  expect(warningOf({ ...event, regarding: {} } as never)).toBeUndefined();
});

test.each([1e300, 2 ** 53, -1, 1.5, '7'])('a forged sequence (%p) is not read', (sequence) => {
  const forged = { uid: 'u', id: 'x', sequence, powerState: 'PoweredOn', caller: 'c', at: at(0) };
  const annotations = { 'vmgroup.dev/operation': JSON.stringify(forged) };
  expect(operation({ is: 'PoweredOn', annotations })).toEqual({});
});
