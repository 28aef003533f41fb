/**
 * What the status store writes on a real API server that others write to as well: STORE-6, STORE-7 and STORE-5.
 *
 * Guarantees: G2, G5, G10.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupView, MemberStatus } from '../../../bridge';
import { clusterObjects, type ClusterObjects } from '../../../bridge/kubernetes/objects';
import { kubernetesStatusStore, type KubernetesStatusStore } from '../../../bridge/kubernetes/stored-status';
import {
  connectKubernetes,
  KubernetesError,
  RESOURCES,
  resourceCache,
  type ApiServer,
  type KubernetesObject,
} from '../../../kubernetes';
import { startFaultProxy, type FaultProxy } from '../../support/fault-proxy';
import { startCluster, type TestCluster } from '../../support/kubernetes';
import { groupManifest } from '../../support/manifests';
import { until } from '../../support/until';

let cluster: TestCluster;
let api: ApiServer;
let proxy: FaultProxy;
let slow: ApiServer;
let objects: ClusterObjects;
let stopMachines: () => Promise<void>;
let told: string[];

beforeAll(async () => {
  cluster = await startCluster();
  api = connectKubernetes({ kubeconfig: cluster.kubeconfig() });
  await cluster.define();
  proxy = await startFaultProxy(cluster.kubeconfig());
  slow = connectKubernetes({ kubeconfig: proxy.kubeconfig });
  const machines = resourceCache({ api, resource: RESOURCES.virtualMachines, trim: (object) => object });
  stopMachines = () => machines.stop();
  objects = clusterObjects({ api, machines });
}, 120_000);
beforeEach(() => (told = []));
afterEach(() => proxy.heal());
afterAll(async () => {
  await objects.stop();
  await stopMachines();
  await proxy.close();
  await cluster.stop();
});

function kubectl(args: string[], input?: string): Promise<string> {
  return cluster.run(args, input);
}

/** Creates a group in the namespace `default`; returns its metadata. */
async function create(name: string): Promise<KubernetesObject['metadata']> {
  const text = groupManifest({ namespace: 'default', name, tiers: [] });
  await kubectl(['apply', '--server-side', '-f', '-'], text);
  return (await get(name)).metadata;
}

async function get(name: string): Promise<KubernetesObject> {
  const found = await api.get(RESOURCES.virtualMachineGroups, { namespace: 'default', name });
  if (!found) throw new Error(`no group ${name}`);
  return found;
}

const message = async (name: string): Promise<unknown> =>
  ((await get(name)).status as { message?: string } | undefined)?.message;

function open(of: ApiServer = api, isLeader = (): boolean => true): KubernetesStatusStore {
  return kubernetesStatusStore({
    api: of,
    groups: objects.groups,
    isLeader,
    onError: (error) => told.push(error instanceof Error ? error.message : String(error)),
  });
}

function viewOf(
  { namespace = '', name, uid = '', generation = 1 }: KubernetesObject['metadata'],
  text: string,
  members: MemberStatus[] = [],
): GroupView {
  return {
    apiVersion: 'vmoperator.vmware.com/v1alpha6',
    kind: 'VirtualMachineGroup',
    metadata: { namespace, name, uid, generation },
    spec: {},
    status: { observedGeneration: 1, members, conditions: [] },
    phase: 'Unmanaged',
    message: text,
  };
}

async function settled(store: KubernetesStatusStore): Promise<number> {
  let before = -1;
  while (before !== store.writes) {
    before = store.writes;
    await sleep(2_500);
  }
  return before;
}

test('STORE-6: a late write of the former leader does not stay', async () => {
  const metadata = await create('late');
  let first = true;
  const former = open(slow, () => first);
  const next = open(api, () => !first);
  proxy.decide(({ method }) => (method === 'PATCH' ? { delay: 2_000 } : undefined));
  former.save(viewOf(metadata, 'of before'));
  next.save(viewOf(metadata, 'of before'));
  await until(() => proxy.calls().some(({ method }) => method === 'PATCH'));
  first = false;
  next.lead();
  next.save(viewOf(metadata, 'of now'));
  await until(async () => (await message('late')) === 'of now');
  // The second write answers the late one, which stands too shortly to be sure to see it.
  await until(() => next.writes === 2);
  await until(async () => (await message('late')) === 'of now');
  expect(former.writes).toBe(1);
  expect(await settled(next)).toBe(2);
});

test('STORE-6: a status that a user has edited is written again, also if nothing else changes', async () => {
  const metadata = await create('edited');
  const store = open();
  store.save(viewOf(metadata, 'ours'));
  await until(async () => (await message('edited')) === 'ours');
  const patch = '{"status":{"message":"theirs","readyMembers":"7/7"}}';
  await kubectl(['patch', 'vmg', 'edited', '--subresource=status', '--type=merge', '-p', patch]);
  await until(async () => (await message('edited')) === 'ours');
  expect((await get('edited')).status).toMatchObject({ readyMembers: '0/0' });
  expect(await settled(store)).toBe(2);
});

test('STORE-6: fields of another writer that are not ours stay, and cause one more write', async () => {
  const metadata = await create('shared');
  const store = open();
  store.save(viewOf(metadata, 'ours'));
  await until(async () => (await message('shared')) === 'ours');
  const status = { lastUpdatedPowerStateTime: '2026-01-01T00:00:00Z' };
  await api.apply(
    RESOURCES.virtualMachineGroups,
    { metadata: { namespace: 'default', name: 'shared' }, status },
    { fieldManager: 'manager', subresource: 'status' },
  );
  expect(await settled(store)).toBe(2);
  expect((await get('shared')).status).toMatchObject({ message: 'ours', ...status });
});

test('STORE-6: a writer that keeps changing the status is answered less and less often, and once it stops, our status stays', async () => {
  const metadata = await create('contested');
  const store = open();
  store.save(viewOf(metadata, 'ours'));
  await until(async () => (await message('contested')) === 'ours');
  const end = Date.now() + 15_000;
  while (Date.now() < end) {
    await api.merge(
      RESOURCES.virtualMachineGroups,
      { namespace: 'default', name: 'contested' },
      { status: { message: 'theirs' } },
      { subresource: 'status', fieldManager: 'manager' },
    );
    await sleep(300);
  }
  expect(store.writes).toBeLessThanOrEqual(5);
  await until(async () => (await message('contested')) === 'ours');
}, 60_000);

test('STORE-6: a watch that lags behind costs a few writes that change nothing', async () => {
  const metadata = await create('lagging');
  const lagging = {
    get: () => ({ metadata, statusDigest: 'of before' }),
    onChange: () => () => undefined,
  };
  const store = kubernetesStatusStore({ api, groups: lagging, isLeader: () => true });
  store.save(viewOf(metadata, 'ours'));
  await sleep(6_000);
  expect(store.writes).toBeLessThanOrEqual(3);
  await store.flush();
});

/** Members with conditions that tell a lot. */
function members(count: number, length: number): MemberStatus[] {
  return Array.from({ length: count }, (_, at) => ({
    name: `${'x'.repeat(60)}${at}`,
    kind: 'VirtualMachine' as const,
    conditions: [
      {
        type: 'PowerStateSynced' as const,
        status: 'False' as const,
        reason: 'NotSynced',
        message: 'e'.repeat(length),
        lastTransitionTime: '2026-01-01T00:00:00Z',
        observedGeneration: 1,
      },
    ],
  }));
}

test('STORE-7: a status of 2,000 members with long errors is written, and says that it was cut', async () => {
  const store = open();
  store.save(viewOf(await create('large'), 'large', members(2_000, 4_096)));
  await until(async () => (await message('large')) === 'large');
  const status = (await get('large')).status as { members: unknown[]; conditions: { type: string }[] };
  expect([status.members.length, status.conditions.map(({ type }) => type)]).toEqual([
    2_000,
    ['StatusComplete'],
  ]);
  await store.flush();
  const { writes } = store;
  await sleep(3_000);
  // A slow server may have been asked twice; what it has is not written again.
  expect([store.writes, told]).toEqual([writes, []]);
});

test('STORE-7: if other parts of the object leave less room, the status is made smaller, and no write is repeated', async () => {
  const metadata = await create('crowded');
  // Not more than annotations may take, but enough with the list of members, which an edit may make that large.
  const names = Array.from({ length: 3_000 }, (_, at) => ({
    name: `${'m'.repeat(240)}${at}`,
    kind: 'VirtualMachine',
  }));
  await api.merge(
    RESOURCES.virtualMachineGroups,
    { namespace: 'default', name: 'crowded' },
    { spec: { bootOrder: [{ members: names }] } },
  );
  const store = open();
  store.save(viewOf(metadata, 'crowded', members(1_000, 4_096)));
  await until(async () => (await message('crowded')) === 'crowded');
  expect(told).toEqual([]);
  expect(store.writes).toBeLessThanOrEqual(3);
  expect(await settled(store)).toBeLessThanOrEqual(3);
});

test('STORE-7: a server that finds every status too large is asked less and less often', async () => {
  const metadata = await create('refused');
  const refusing: ApiServer = {
    ...api,
    apply: async () => {
      throw new KubernetesError('the API server answered 500: etcdserver: request is too large', 500, '');
    },
  };
  const store = open(refusing);
  store.save(viewOf(metadata, 'refused', members(200, 4_096)));
  await until(() => told.length === 1);
  const before = store.writes;
  await sleep(3_000);
  expect([told.length, store.writes - before]).toEqual([1, expect.any(Number)]);
  expect(store.writes - before).toBeLessThanOrEqual(3);
  await store.flush();
}, 30_000);

test('STORE-5: two groups whose writes meet the same undeclared field are both written at once, and nothing is reported', async () => {
  const sent: string[][] = [];
  const strict: ApiServer = {
    ...api,
    apply: async (resource, object, options) => {
      const fields = Object.keys(object.status as object);
      sent.push(fields);
      await sleep(100);
      if (!fields.includes('readyMembers')) return api.apply(resource, object, options);
      const why = 'failed to create typed patch object: .status.readyMembers: field not declared in schema';
      throw new KubernetesError(`PATCH: the API server answered 500: ${why}`, 500, '');
    },
  };
  const store = open(strict);
  const names = ['undeclared-1', 'undeclared-2', 'undeclared-3'];
  for (const name of names) store.save(viewOf(await create(name), 'ours'));
  for (const name of names) await until(async () => (await message(name)) === 'ours');
  expect([sent.length <= 2 * names.length, told]).toEqual([true, []]);
});
