/** JOIN-1 to JOIN-3: groups of a folder with the VMs of a cluster. */
import { parseManifests } from '../../../api';
import { joined, markOf } from '../../../bridge/kubernetes/companion/join';
import { indexManifests, type ManifestIndex } from '../../../bridge';
import type { KubernetesObject } from '../../../kubernetes';
import { groupManifest, vmManifest } from '../../support/manifests';

const shape = { namespace: 'team', name: 'shop', powerState: 'PoweredOn', tiers: [{ members: ['a', 'b'] }] };

function folder(...texts: string[]): ManifestIndex {
  const { manifests, problems } = parseManifests([{ path: 'x.yaml', text: texts.join('---\n') }]);
  expect(problems.filter(({ severity }) => severity === 'Error')).toEqual([]);
  return indexManifests(manifests);
}

function machine(name: string, spec: object = {}, more: object = {}): KubernetesObject {
  return {
    apiVersion: 'vmoperator.vmware.com/v1alpha6',
    kind: 'VirtualMachine',
    metadata: { namespace: 'team', name, uid: `uid-${name}`, ...more },
    spec,
    status: {},
  };
}

function join(
  index: ManifestIndex,
  machines: KubernetesObject[],
  groups: KubernetesObject[] = [],
): ManifestIndex {
  const byKey = (objects: KubernetesObject[]): Map<string, KubernetesObject> =>
    new Map(objects.map((object) => [`${object.metadata.namespace}/${object.metadata.name}`, object]));
  const [vms, others] = [byKey(machines), byKey(groups)];
  return joined(index, {
    here: 'vm-operator',
    machine: (key) => vms.get(key),
    machines: () => vms.entries(),
    group: (key) => others.get(key),
  });
}

test('the uid is that of the cluster; the folder says which group; a VM that the cluster does not have does not exist', () => {
  const index = join(
    folder(groupManifest(shape), vmManifest('team', 'a', 'shop'), vmManifest('team', 'c', 'shop')),
    [
      machine('a', { groupName: 'elsewhere' }),
      machine('b', { groupName: 'shop', powerOffMode: 'Hard' }),
      machine('gone', { groupName: 'shop' }, { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    ],
  );
  const found = [...index.virtualMachines.values()].map(({ name, uid, groupName }) => [name, uid, groupName]);
  expect(found).toEqual([
    ['a', 'uid-a', 'shop'],
    ['b', 'uid-b', 'shop'],
  ]);
  expect(index.virtualMachines.get('team/b')?.powerOffMode).toBe('Hard');
});

test('VMs of other namespaces, and what cannot be read, are left out', () => {
  const other = { ...machine('a'), metadata: { namespace: 'other', name: 'a', uid: 'u' } };
  const index = join(folder(groupManifest(shape)), [other, { ...machine('b'), spec: { powerState: 7 } }]);
  expect(index.virtualMachines.size).toBe(0);
});

test('a group of the cluster with a power state contests the group of the folder whose VMs it has', () => {
  const index = folder(groupManifest(shape), vmManifest('team', 'a', 'shop'));
  const placing = (spec: object): KubernetesObject => ({
    metadata: { namespace: 'team', name: 'placing' },
    spec,
  });
  const machines = [machine('a', { groupName: 'placing' })];
  expect(join(index, machines, [placing({})]).groups.get('team/shop')?.contestedBy).toBeUndefined();
  const contested = join(index, machines, [placing({ powerState: 'PoweredOff' })]);
  expect(contested.groups.get('team/shop')?.contestedBy).toContain(
    'VirtualMachineGroup team/placing is PoweredOff',
  );
  expect([...contested.contested.keys()]).toEqual(['team/shop']);
});

test('a change of power or status is no change for the folder; another group is', () => {
  const before = markOf(machine('a', { groupName: 'x', powerState: 'PoweredOff' }));
  expect(
    markOf({ ...machine('a', { groupName: 'x', powerState: 'PoweredOn' }), status: { zone: 'z' } }),
  ).toBe(before);
  expect(markOf(machine('a', { groupName: 'y' }))).not.toBe(before);
  expect(markOf(undefined)).not.toBe(before);
});
