/**
 * The newest version of each VM, with a cache and an API server that answer when the test says so: VMs that are deleted and made again under the
 * same name, and answers that come late.
 *
 * Guarantees: G1.
 */
import { RESOURCES, type ApiServer, type KubernetesObject } from '../../../kubernetes';
import { NewestObjects } from '../../../platforms/on-kubernetes';
import { ScriptedCache } from './scripted-cache';

const key = 'prod/db';
const wanted = (uid: string): { namespace: string; name: string; uid: string } => ({
  ...{ namespace: 'prod', name: 'db', uid },
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
    ...{ api: { get: call, merge: call } as unknown as ApiServer, cache: cache.cache },
    ...{ resource: RESOURCES.virtualMachines, trim: (object: KubernetesObject) => object },
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
