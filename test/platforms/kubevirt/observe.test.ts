/**
 * What one version of a VM of KubeVirt and of its instance says of an operation: pure.
 *
 * Guarantees: G1, G8.
 */
import type { PowerState } from '../../../api';
import { observe, type Circumstances } from '../../../platforms/kubevirt/observe';
import { trimInstance, trimMachine } from '../../../platforms/kubevirt/objects';

const NOW = Date.parse('2026-03-01T12:00:00Z');

interface Written {
  runStrategy: string;
  /** Of the operation on record. */
  to: PowerState;
  /** Of the instance; absent: there is none. */
  phase?: string;
  isPaused?: boolean;
  isDeleted?: boolean;
}

function operation(
  { runStrategy, to, phase, isPaused, isDeleted }: Written,
  over: Partial<Circumstances> = {},
): unknown {
  const name = { namespace: 'prod', name: 'db' };
  const record = { uid: 'u', id: 'op', sequence: 1, powerState: to, caller: 'c', at: '2026-03-01T11:00:00Z' };
  const vm = trimMachine({
    metadata: {
      ...name,
      uid: 'u',
      resourceVersion: '1',
      annotations: { 'vmgroup.dev/operation': JSON.stringify(record) },
      ...(isDeleted && { deletionTimestamp: '2026-03-01T11:30:00Z' }),
    },
    spec: { runStrategy },
    status: { runStrategy },
  });
  const conditions = isPaused ? [{ type: 'Paused', status: 'True' }] : [];
  const vmi = phase && trimInstance({ metadata: { ...name, uid: 'i' }, status: { phase, conditions } });
  const circumstances = { at: NOW, now: NOW, version: '1', patience: 10_000, ...over };
  return observe(vm, vmi || undefined, circumstances).state.operation;
}

/** Nothing has worked on it for a while. */
const idle = { idleSince: NOW - 60_000 };
const failure = { class: 'Permanent', message: 'forbidden' } as const;
const base = { id: 'op', sequence: 1, caller: 'c' };

test.each<[string, Written, Partial<Circumstances>, object]>([
  ['off, and stays off', { runStrategy: 'Halted', to: 'PoweredOff' }, {}, { phase: 'Done' }],
  [
    'off, and being deleted',
    { runStrategy: 'Always', to: 'PoweredOff', isDeleted: true },
    {},
    { phase: 'Done' },
  ],
  [
    'on, and being deleted',
    { runStrategy: 'Always', to: 'PoweredOff', phase: 'Running', isDeleted: true },
    {},
    { phase: 'InProgress', hold: 'it is being deleted' },
  ],
  [
    'off, and off for good although the action was refused',
    { runStrategy: 'Manual', to: 'PoweredOff' },
    { own: { failure } },
    { phase: 'Done' },
  ],
  [
    'starting, and the action that stops it was refused: it is not off',
    { runStrategy: 'Manual', to: 'PoweredOff', phase: 'Scheduling' },
    { own: { failure } },
    { phase: 'InProgress' },
  ],
  [
    'on, and the action that stops it was refused',
    { runStrategy: 'Manual', to: 'PoweredOff', phase: 'Running' },
    { own: { failure } },
    { phase: 'Failed', failure },
  ],
  [
    'started by hand after it was to be paused: it is not off',
    { runStrategy: 'Manual', to: 'Suspended', phase: 'Scheduling' },
    idle,
    { phase: 'InProgress' },
  ],
  [
    'started by KubeVirt after it was to be paused',
    { runStrategy: 'Always', to: 'Suspended' },
    idle,
    { phase: 'InProgress' },
  ],
])('KUBEVIRT-7: an operation on a VM that is %s', (_what, written, circumstances, expected) => {
  expect(operation(written, circumstances)).toEqual({ ...base, ...expected });
});

test.each<[string, Written]>([
  ['paused, to be on', { runStrategy: 'Always', to: 'PoweredOn', phase: 'Running', isPaused: true }],
  ['on, to be paused', { runStrategy: 'Always', to: 'Suspended', phase: 'Running' }],
  ['on, to be off', { runStrategy: 'Manual', to: 'PoweredOff', phase: 'Running' }],
  ['off, to be on', { runStrategy: 'Manual', to: 'PoweredOn' }],
])('KUBEVIRT-7: an operation that nothing works on fails: %s', (_what, written) => {
  expect(operation(written)).toEqual({ ...base, phase: 'InProgress' });
  expect(operation(written, idle)).toMatchObject({
    phase: 'Failed',
    failure: { class: 'Transient', message: expect.stringContaining('nothing works on the VM') as string },
  });
});
