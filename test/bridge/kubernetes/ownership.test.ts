/** What ownership writes to objects of a real API server, and in which order: OWN-2, OWN-5, OWN-10 and DELETION-1. */
import { GROUP_FINALIZER, type Group, type Manifests } from '../../../api';
import { resolveTiers, type ResolvedTier } from '../../../bridge';
import { confirmedDeletionOf } from '../../../bridge/kubernetes/deletion';
import { clusterObjects, type ClusterObjects } from '../../../bridge/kubernetes/objects';
import { kubernetesOwnership, OwnedObjects } from '../../../bridge/kubernetes/ownership';
import { kubernetesSource, type KubernetesSource } from '../../../bridge/kubernetes/source';
import type { ManifestIndex } from '../../../bridge/manifests/manifest-index';
import type { Ownership } from '../../../bridge/ownership';
import {
  connectKubernetes,
  RESOURCES,
  resourceCache,
  type ApiServer,
  type KubernetesObject,
} from '../../../kubernetes';
import { startCluster, type TestCluster } from '../../support/kubernetes';
import { groupWithVms } from '../../support/manifests';
import { until } from '../../support/until';

const names = Array.from({ length: 30 }, (_, at) => `vm-${String(at).padStart(2, '0')}`);

let cluster: TestCluster;
let api: ApiServer;
let closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  api = connectKubernetes({ kubeconfig: cluster.kubeconfig() });
  await cluster.define();
}, 120_000);
afterEach(async () => {
  for (const close of closers) await close();
  closers = [];
});
afterAll(() => cluster.stop());

async function apply(namespace: string, text: string): Promise<void> {
  await cluster.run(['create', 'namespace', namespace]);
  await cluster.run(['apply', '--server-side', '--validate=strict', '-f', '-'], text);
}

interface Following {
  group: Group;
  index: ManifestIndex;
  ownership: Ownership;
}

/** A bridge's marks on the group `app` of a namespace, written through `writer`. */
async function follow(
  namespace: string,
  writer: ApiServer,
  isLeader = (): boolean => true,
): Promise<Following> {
  const machines = resourceCache({ api, resource: RESOURCES.virtualMachines, trim: (object) => object });
  const objects: ClusterObjects = clusterObjects({ api, machines });
  const source: KubernetesSource = kubernetesSource(objects);
  let index: ManifestIndex | undefined;
  await source.start((state) => (index = state.index));
  closers.push(
    () => source.stop(),
    () => machines.stop(),
  );
  // A server answers a list from its cache, which may lag behind.
  const known = await until(() => {
    const group = index?.groups.get(`${namespace}/app`);
    const isWhole = (tier: ResolvedTier): boolean => tier.members.every(({ link }) => link === 'Linked');
    return index && group && resolveTiers(index, group).every(isWhole) ? { group, index } : undefined;
  });
  const ownership = kubernetesOwnership({
    api: writer,
    objects,
    owned: new OwnedObjects(objects),
    isLeader,
    deletionOf: async () => 'Orphan',
  });
  return { ...known, ownership };
}

/** The API server, with `before` called ahead of each apply; `log` gets what was applied to, at its begin and at its end. */
function observed(log: string[], before: (object: KubernetesObject) => Promise<unknown>): ApiServer {
  return {
    ...api,
    apply: async (resource, object, options) => {
      const { name } = object.metadata;
      await before(object);
      log.push(`write ${name}`);
      const written = await api.apply(resource, object, options);
      log.push(`answer ${name}`);
      return written;
    },
  };
}

const shape = (namespace: string) =>
  groupWithVms({ namespace, name: 'app', powerState: 'PoweredOn', tiers: [{ members: names }] });

const isFinalizer = ({ metadata }: KubernetesObject): boolean => metadata.finalizers?.[0] === GROUP_FINALIZER;

async function owners(namespace: string): Promise<number> {
  const { items } = await api.list(RESOURCES.virtualMachines, { namespace });
  return items.flatMap(({ metadata }) => metadata.ownerReferences ?? []).length;
}

test('OWN-5: no owner reference is written before the server has confirmed the finalizer', async () => {
  await apply('order', shape('order'));
  const log: string[] = [];
  const slowFinalizer = observed(log, async (object) =>
    isFinalizer(object) ? new Promise((over) => setTimeout(over, 300)) : undefined,
  );
  const { ownership, group, index } = await follow('order', slowFinalizer);
  await ownership.own(group, resolveTiers(index, group));
  expect(log.slice(0, 2)).toEqual(['write app', 'answer app']);
  expect(log.filter((line) => line.startsWith('answer vm-'))).toHaveLength(names.length);
  expect(await owners('order')).toBe(names.length);
});

test('OWN-5: a group that is deleted before its finalizer is set gets no owner references and may not be driven', async () => {
  await apply('window', shape('window'));
  const log: string[] = [];
  const { ownership, group, index } = await follow(
    'window',
    observed(log, () => cluster.run(['-n', 'window', 'delete', 'vmg', 'app', '--ignore-not-found'])),
  );
  await ownership.own(group, resolveTiers(index, group));
  expect(await ownership.claim(group)).toBe(false);
  expect(log.filter((line) => line.includes('vm-'))).toEqual([]);
  expect(await owners('window')).toBe(0);
});

test('OWN-5: a group that is being deleted already gets neither finalizer nor owner references', async () => {
  const held = shape('held').replace('metadata:', 'metadata:\n  finalizers: [test.example/hold]');
  await apply('held', held);
  const log: string[] = [];
  const { ownership, group, index } = await follow(
    'held',
    observed(log, () => cluster.run(['-n', 'held', 'delete', 'vmg', 'app', '--wait=false'])),
  );
  await ownership.own(group, resolveTiers(index, group));
  expect(await ownership.claim(group)).toBe(false);
  expect([log.filter((line) => line.includes('vm-')), await owners('held')]).toEqual([[], 0]);
  const patch = '{"metadata":{"finalizers":null}}';
  await cluster.run(['-n', 'held', 'patch', 'vmg', 'app', '--type=merge', '-p', patch]);
});

test('OWN-5: without the lease a group may be driven once its finalizer is set, and nothing is written', async () => {
  await apply('follower', shape('follower'));
  const log: string[] = [];
  const writer = observed(log, async () => undefined);
  const follower = await follow('follower', writer, () => false);
  expect(await follower.ownership.claim(follower.group)).toBe(false);
  const leader = await follow('follower', api);
  expect(await leader.ownership.claim(leader.group)).toBe(true);
  await until(() => follower.ownership.claim(follower.group));
  expect(log).toEqual([]);
});

test('OWN-2: owner references that are on their way when the group is deleted are taken off before the group goes', async () => {
  await apply('late', shape('late'));
  const log: string[] = [];
  let deleted: Promise<unknown> | undefined;
  const { ownership, group, index } = await follow(
    'late',
    observed(log, async (object) => {
      if (isFinalizer(object)) return;
      deleted ??= cluster.run(['-n', 'late', 'delete', 'vmg', 'app', '--wait=false']);
      await deleted;
      // The bridge hears of the deletion while the write is under way.
      await new Promise((over) => setTimeout(over, 500));
    }),
  );
  const owning = ownership.own(group, resolveTiers(index, group));
  await until(() => deleted !== undefined);
  await deleted;
  await until(async () => {
    await ownership.release(group);
    return (await api.get(RESOURCES.virtualMachineGroups, group)) === undefined;
  });
  await owning;
  expect(log.filter((line) => line.startsWith('write vm-')).length).toBeLessThan(names.length);
  expect(await owners('late')).toBe(0);
});

test('OWN-10: a group that was recreated under the name of a nested one does not get the power state of its parent', async () => {
  await apply('namesake', shape('namesake'));
  const { ownership, group } = await follow('namesake', api);
  const key = { namespace: 'namesake', name: 'app' };
  await cluster.run(['-n', 'namesake', 'delete', 'vmg', 'app']);
  await api.create(RESOURCES.virtualMachineGroups, {
    metadata: key,
    spec: { powerState: 'PoweredOff' },
  });
  // The watch lags behind: the group is still the one that was read.
  await ownership.inherit({ ...group, powerState: 'PoweredOff' }, 'PoweredOn');
  const found = await api.get(RESOURCES.virtualMachineGroups, key);
  expect(found?.spec).toMatchObject({ powerState: 'PoweredOff' });
});

test('DELETION-1: members are deleted only by a policy that the server has now, whatever the watch has brought', async () => {
  await cluster.run(['create', 'namespace', 'policies']);
  // The watch is behind: Cascade is all that it has brought.
  const known = { policies: [{ name: 'default', spec: { deletion: 'Cascade' } }] } as unknown as Manifests;
  const source = { known: () => known };
  const group: KubernetesObject = { metadata: { namespace: 'policies', name: 'app' } };
  const deletion = (): Promise<string> => confirmedDeletionOf(api, source, group);
  expect(await deletion()).toBe('Orphan');
  const write = (spec: object): Promise<unknown> =>
    api.apply(
      RESOURCES.sequencePolicies,
      { metadata: { namespace: 'policies', name: 'default' }, spec },
      { fieldManager: 'test' },
    );
  await write({ deletion: 'Cascade' });
  expect(await deletion()).toBe('Cascade');
  await write({ deletion: 'Orphan' });
  expect(await deletion()).toBe('Orphan');
});
