/**
 * What the solver sees of the VMs of VM Operator that are there.
 *
 * Guarantees: G9.
 */
import type { VirtualMachineObject } from '../../kubernetes';
import { problemOf } from '../../platforms/vm-operator/placement-problem';
import { GIB } from '../simulator/fixtures';

const room = { zones: [{ name: 'zone-a' }, { name: 'zone-b' }], sizes: new Map([['small', 4 * GIB]]) };

interface Written {
  /** The zone on record. */
  recorded?: string;
  /** The zone of its label. */
  pin?: string;
  status?: VirtualMachineObject['status'];
}

function vm({ recorded, pin, status = {} }: Written): VirtualMachineObject {
  const place = JSON.stringify({ uid: 'u', zoneID: recorded, caller: 'vmgroup/prod/shop', sequence: 1 });
  return {
    metadata: {
      namespace: 'prod',
      name: 'db',
      uid: 'u',
      ...(pin !== undefined && { labels: { 'topology.kubernetes.io/zone': pin } }),
      annotations: { 'vmgroup.dev/placement': place },
    },
    spec: { className: 'small' },
    status,
  };
}

test.each<[string, Written, string | undefined]>([
  ['was promised a place', { recorded: 'zone-a' }, 'zone-a'],
  ['gave its place back', {}, undefined],
  ['is pinned', { pin: 'zone-b' }, 'zone-b'],
  ['exists', { recorded: 'zone-a', status: { uniqueID: 'id', zone: 'zone-b' } }, 'zone-b'],
  ['was created a moment ago', { recorded: 'zone-a', status: { uniqueID: 'id' } }, 'zone-a'],
  [
    'was created a moment ago in another zone',
    { recorded: 'zone-a', pin: 'zone-b', status: { uniqueID: 'id' } },
    'zone-b',
  ],
])('VMOPERATOR-6: where a VM counts that %s', (_what, written, zone) => {
  const { placed } = problemOf(room, [], [vm(written)]);
  expect(placed.map(({ placement, memory }) => [placement.zoneID, memory])).toEqual(
    zone === undefined ? [] : [[zone, 4 * GIB]],
  );
});
