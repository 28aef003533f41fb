/** SOURCE-3: what is kept between two looks is never out of date; and what the source says of itself. */
import type { SourceState } from '../../../bridge';
import { kubernetesSource } from '../../../bridge/kubernetes/source';
import type { GroupObject } from '../../../bridge/kubernetes/objects';
import type { CacheChange, KubernetesObject, ResourceCache } from '../../../kubernetes';
import { until } from '../../support/until';

/** A cache that holds what a test puts into it. */
function memory<T extends KubernetesObject>(): ResourceCache<T> & {
  put(object: T): void;
  take(name: string): void;
} {
  const objects = new Map<string, T>();
  const listeners = new Set<(change: CacheChange<T>) => void>();
  const tell = (change: CacheChange<T>): void => listeners.forEach((listener) => listener(change));
  return {
    plural: 'objects',
    get: (key) => objects.get(key),
    entries: () => objects.entries(),
    size: 0,
    live: true,
    lastContactAt: undefined,
    error: undefined,
    counts: { lists: 0, watches: 0, failures: 0 },
    synced: async () => undefined,
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    onLive: () => () => undefined,
    stop: async () => undefined,
    put: (object) => {
      const key = `shop/${object.metadata.name}`;
      const previous = objects.get(key);
      objects.set(key, object);
      tell({ key, object, previous });
    },
    take: (name) => {
      const previous = objects.get(`shop/${name}`);
      objects.delete(`shop/${name}`);
      if (previous) tell({ key: `shop/${name}`, object: undefined, previous });
    },
  };
}

const group = (name: string, spec: object, uid = name, generation = 1): GroupObject => ({
  apiVersion: 'vmoperator.vmware.com/v1alpha6',
  kind: 'VirtualMachineGroup',
  metadata: { namespace: 'shop', name, uid, generation },
  spec,
  statusDigest: '',
});

test('SOURCE-3: an invalid object that is created, deleted or recreated changes the findings of those that name it', async () => {
  const groups = memory<GroupObject>();
  const source = kubernetesSource({
    groups,
    machines: memory(),
    classes: memory(),
    policies: memory(),
    stop: async () => undefined,
  });
  let state: SourceState | undefined;
  await source.start((next) => void (state = next));
  const says = (text: string): boolean =>
    state?.problems.some(({ message }) => message.includes(text)) === true;
  const missing = 'there is no VirtualMachineGroup "parent"';

  groups.put(group('child', { groupName: 'parent' }));
  await until(() => says(missing));
  groups.put(group('parent', { powerState: 'Sideways' }));
  await until(() => says('Sideways'));
  expect(says(missing)).toBe(false);
  groups.take('parent');
  await until(() => says(missing));

  groups.put(group('parent', { bootOrder: [{ members: [{ kind: 'VirtualMachine', name: 'a' }] }] }));
  await until(() => !says(missing));
  groups.put(group('parent', { powerState: 'Sideways' }, 'parent', 2));
  await until(() => says('Sideways'));
  expect(source.known('shop').groups.map(({ name }) => name)).toEqual(['child', 'parent']);
  // Another one of its name: the last valid form was not of this one.
  groups.put(group('parent', { powerState: 'Sideways' }, 'another'));
  await until(() => source.known('shop').groups.length === 1);
  expect(state?.unusable?.get('shop/parent')).toMatchObject({ uid: 'another', generation: 1 });
  groups.put(group('parent', { powerState: 'Sideways', nextForcePowerStateSyncTime: 'now' }, 'another', 2));
  await until(() => state?.unusable?.get('shop/parent')?.generation === 2);
  await source.stop();
});

test('a field that a cache adds to a group is not an unknown field of it', async () => {
  const groups = memory<GroupObject>();
  const source = kubernetesSource({
    groups,
    machines: memory(),
    classes: memory(),
    policies: memory(),
    stop: async () => undefined,
  });
  let state: SourceState | undefined;
  await source.start((next) => void (state = next));
  groups.put({
    ...group('app', { powerState: 'PoweredOn' }),
    other: { manager: 'manager', active: true, at: 1 },
  });
  await until(() => state?.index.groups.has('shop/app') === true);
  expect(state?.problems).toEqual([]);
  await source.stop();
});

test('SOURCE-4: a watch that could never be opened is trouble, also where everything was listed', async () => {
  const source = kubernetesSource({
    groups: memory<GroupObject>(),
    machines: memory(),
    classes: memory(),
    policies: { ...memory(), live: false, error: new Error('watches are forbidden') },
    stop: async () => undefined,
  });
  await source.start(() => undefined);
  expect(source.trouble?.()).toBeUndefined();
  const now = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000);
  expect(source.trouble?.()).toMatch(/^lost the watch on the API server at .*: watches are forbidden$/);
  now.mockRestore();
  await source.stop();
});
