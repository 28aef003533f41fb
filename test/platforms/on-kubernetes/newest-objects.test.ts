/**
 * The newest version of each VM, with a cache and an API server that answer when the test says so: VMs that are deleted and made again under the
 * same name, and answers that come late.
 *
 * Guarantees: G1.
 */
import { RESOURCES, type KubernetesObject } from '../../../kubernetes';
import { NewestObjects } from '../../../platforms/on-kubernetes';
import { ScriptedCache } from './scripted-cache';

const key = 'prod/db';
const wanted = (uid: string): { namespace: string; name: string; uid: string } => ({
  namespace: 'prod',
  name: 'db',
  uid,
});

/** A version of the VM `prod/db`. */
function version(uid: string, resourceVersion: number): KubernetesObject {
  return { metadata: { ...wanted(uid), resourceVersion: String(resourceVersion) } };
}

/** What was reported: `old@1`, `old deleted`. */
let reported: string[];
let cache: ScriptedCache<KubernetesObject>;
let vms: NewestObjects<KubernetesObject>;
/** Answers the open call. */
let answer: (object: KubernetesObject) => void;

beforeEach(() => {
  reported = [];
  cache = new ScriptedCache();
  const call = (): Promise<KubernetesObject> => new Promise((resolve) => (answer = resolve));
  vms = new NewestObjects({
    api: { get: call, merge: call },
    cache: cache.cache,
    resource: RESOURCES.virtualMachines,
    trim: (object: KubernetesObject) => object,
    listener: {
      changed: () => {
        const { uid, resourceVersion } = vms.newest(key)?.metadata ?? {};
        reported.push(`${uid}@${resourceVersion}`);
      },
      deleted: (_key, { uid }) => void reported.push(`${uid} deleted`),
    },
  });
});
afterEach(() => vms.close());

test('NEWEST-1: the VM that was deleted does not come back while the watch catches up with the one that has its name now', async () => {
  cache.put(key, version('old', 1));
  const reading = vms.current(wanted('new'));
  answer(version('new', 5));
  expect(await reading).toEqual(version('new', 5));
  cache.put(key, version('old', 3));
  expect(vms.newest(key)).toEqual(version('new', 5));
  cache.remove(key);
  cache.put(key, version('new', 5));
  expect(reported).toEqual(['old@1', 'new@5', 'new@5']);
});

test('NEWEST-1: an answer about the VM that was deleted does not replace the one that has its name now', async () => {
  cache.put(key, version('old', 1));
  const reading = vms.fetch(wanted('old'));
  cache.remove(key);
  cache.put(key, version('new', 5));
  answer(version('old', 1));
  expect(await reading).toBeUndefined();
  expect(vms.newest(key)).toEqual(version('new', 5));
  expect(reported).toEqual(['old@1', 'old deleted', 'new@5']);
});

test.each<[string, () => Promise<unknown>]>([
  ['a read', () => vms.fetch(wanted('old'))],
  ['a write', () => vms.write(wanted('old'), {})],
])(
  'NEWEST-2: the answer to %s that comes after the deletion of the VM does not bring it back',
  async (_what, call) => {
    cache.put(key, version('old', 1));
    const answered = call();
    cache.remove(key);
    answer(version('old', 2));
    expect(await answered).toBeUndefined();
    expect(vms.newest(key)).toBeUndefined();
    expect(reported).toEqual(['old@1', 'old deleted']);
  },
);

test('NEWEST-2: what the server says when it is asked after that counts', async () => {
  cache.put(key, version('old', 1));
  cache.remove(key);
  const reading = vms.fetch(wanted('old'));
  answer(version('old', 2));
  expect(await reading).toEqual(version('old', 2));
});

test('NEWEST-3: a server that was restored is believed at once when it is asked', async () => {
  cache.put(key, version('db', 9));
  const reading = vms.fetch(wanted('db'));
  answer(version('db', 4));
  expect(await reading).toEqual(version('db', 4));
  expect(vms.newest(key)).toEqual(version('db', 4));
  cache.put(key, version('db', 4));
  cache.put(key, version('db', 5));
  expect(reported).toEqual(['db@9', 'db@4', 'db@4', 'db@5']);
});

test('NEWEST-3: an answer that the watch has overtaken during the call is no sign of a restored server', async () => {
  cache.put(key, version('db', 3));
  const reading = vms.fetch(wanted('db'));
  cache.put(key, version('db', 9));
  answer(version('db', 4));
  expect(await reading).toEqual(version('db', 9));
});

test('NEWEST-3: what the cache has as well is not kept beside it', async () => {
  cache.put(key, version('db', 9));
  const reading = vms.fetch(wanted('db'));
  answer(version('db', 9));
  expect(await reading).toEqual(version('db', 9));
  cache.put(key, version('db', 4));
  expect(reported).toEqual(['db@9', 'db@9', 'db@4']);
});

describe('NEWEST-3: a version that the watch never brings', () => {
  beforeEach(() => void jest.useFakeTimers({ doNotFake: ['performance', 'Date', 'nextTick'] }));
  afterEach(() => void jest.useRealTimers());

  const write = async (): Promise<void> => {
    const writing = vms.write(wanted('db'), {});
    answer(version('db', 9));
    await writing;
  };

  test('yields after a minute to the one that a restored server has', async () => {
    cache.put(key, version('db', 4));
    await write();
    cache.put(key, version('db', 3));
    expect(reported).toEqual(['db@4', 'db@9']);
    jest.advanceTimersByTime(60_000);
    expect(reported).toEqual(['db@4', 'db@9', 'db@3']);
  });

  test('is deleted after a minute where a restored server has no such VM', async () => {
    await write();
    jest.advanceTimersByTime(60_000);
    expect(reported).toEqual(['db@9', 'db deleted']);
    expect(vms.newest(key)).toBeUndefined();
  });

  test('stays for as long as the watch is broken', async () => {
    await write();
    cache.live = false;
    jest.advanceTimersByTime(600_000);
    expect(vms.newest(key)).toEqual(version('db', 9));
    cache.live = true;
    jest.advanceTimersByTime(60_000);
    expect(reported).toEqual(['db@9', 'db deleted']);
  });
});
