/** The instances of VMs of KubeVirt, with a cache and an API server that answer when the test says so. */
import type { KubernetesObject, ObjectList } from '../../../kubernetes';
import { Instances } from '../../../platforms/kubevirt/instances';
import { trimInstance, type KubevirtInstance } from '../../../platforms/kubevirt/objects';
import { ScriptedCache } from '../on-kubernetes/scripted-cache';

const key = 'prod/db';
const vm = { namespace: 'prod', name: 'db' };

/** A version of an instance that runs. */
function running(uid: string, resourceVersion: number): KubernetesObject {
  return { metadata: { ...vm, uid, resourceVersion: String(resourceVersion) }, status: { phase: 'Running' } };
}

const listOf = (resourceVersion: number, ...items: KubernetesObject[]): ObjectList => ({
  metadata: { resourceVersion: String(resourceVersion) },
  items,
});

let cache: ScriptedCache<KubevirtInstance>;
let instances: Instances;
/** Answers the open list. */
let answer: (list: ObjectList) => void;
/** How often a change was reported. */
let changes: number;
beforeEach(() => {
  changes = 0;
  cache = new ScriptedCache();
  const list = (): Promise<ObjectList> => new Promise((resolve) => (answer = resolve));
  instances = new Instances({ list }, cache.cache, () => {
    changes += 1;
  });
});
afterEach(() => instances.close());

test('KUBEVIRT-8: an answer from before the end of an instance does not bring it back', async () => {
  cache.put(key, trimInstance(running('first', 10)));
  const looking = instances.look(vm);
  cache.remove(key);
  answer(listOf(11, running('first', 10)));
  expect(await looking).toBeUndefined();
  expect(instances.get(key)).toBeUndefined();
});

test('KUBEVIRT-8: an event from before an answer does not bring an instance back that is gone', async () => {
  cache.put(key, trimInstance(running('first', 10)));
  const looking = instances.look(vm);
  answer(listOf(20));
  expect(await looking).toBeUndefined();
  cache.put(key, trimInstance(running('first', 15)));
  expect(instances.get(key)).toBeUndefined();
  cache.remove(key);
  cache.put(key, trimInstance(running('second', 21)));
  expect(instances.get(key)?.metadata.uid).toBe('second');
});

test('KUBEVIRT-8: what a restored server says counts, when it is asked', async () => {
  const before = instances.look(vm);
  answer(listOf(20, running('first', 10)));
  await before;
  const after = instances.look(vm);
  answer(listOf(8));
  expect(await after).toBeUndefined();
});

test('KUBEVIRT-8: what the cache has after a minute counts, and is reported', async () => {
  jest.useFakeTimers({ doNotFake: ['performance', 'Date', 'nextTick'] });
  try {
    const looking = instances.look(vm);
    answer(listOf(20, running('first', 10)));
    await looking;
    cache.put(key, trimInstance(running('restored', 7)));
    expect(instances.get(key)?.metadata.uid).toBe('first');
    cache.live = false;
    jest.advanceTimersByTime(60_000);
    expect(instances.get(key)?.metadata.uid).toBe('first');
    cache.live = true;
    jest.advanceTimersByTime(60_000);
    expect(instances.get(key)?.metadata.uid).toBe('restored');
    expect(changes).toBe(2);
  } finally {
    jest.useRealTimers();
  }
});
