/** What is known of an object between a write and the watch that brings it. */
import { WrittenObjects } from '../../../bridge/kubernetes/ownership/written-objects';
import { emptyCache, RESOURCES, type KubernetesObject } from '../../../kubernetes';

function group(resourceVersion: string, finalizers: string[] = []): KubernetesObject {
  return {
    apiVersion: 'vmoperator.vmware.com/v1alpha5',
    kind: 'VirtualMachineGroup',
    metadata: { namespace: 'dr', name: 'app', uid: 'uid-1', resourceVersion, finalizers },
    spec: { bootOrder: [] },
  };
}

/** Written objects of a cache that has one object, and whose watch brings nothing. */
function beside(cached: KubernetesObject): WrittenObjects {
  const cache = emptyCache<KubernetesObject>(RESOURCES.virtualMachineGroups);
  return new WrittenObjects([{ ...cache, get: (key) => (key === 'dr/app' ? cached : undefined) }]);
}

test('OWN-5: an owner reference can be made from a group whose finalizer the watch has not brought yet', () => {
  const cached = group('7');
  const written = beside(cached);
  written.add(group('8', ['f']));
  const { spec: _spec, ...known } = group('8', ['f']);
  expect(written.newest(cached)).toEqual(known);
});

test('OWN-1: a written version that is older than the cached one is not used', () => {
  const cached = group('9');
  const written = beside(cached);
  written.add(group('8', ['f']));
  expect(written.newest(cached)).toBe(cached);
});
