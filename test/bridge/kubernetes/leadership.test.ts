/**
 * What a bridge writes while the lease is acquired and lost, and while it is refused, on a real API server: LEADER-1, OWN-1, STORE-2 and
 * STORE-3 of the status.
 *
 * Guarantees: G5.
 */
import type { Group } from '../../../api';
import { resolveTiers, type GroupView } from '../../../bridge';
import { clusterObjects, type ClusterObjects } from '../../../bridge/kubernetes/objects';
import { kubernetesOwnership, OwnedObjects } from '../../../bridge/kubernetes/ownership';
import { kubernetesSource } from '../../../bridge/kubernetes/source';
import { kubernetesStatusStore } from '../../../bridge/kubernetes/stored-status';
import { pauseAfter } from '../../../bridge/kubernetes/stored-status/status-slot';
import type { Ownership } from '../../../bridge/ownership';
import type { ManifestIndex } from '../../../bridge/manifests/manifest-index';
import {
  connectKubernetes,
  KubernetesError,
  LeaderElection,
  leaderWrites,
  RESOURCES,
  resourceCache,
  type ApiServer,
  type KubernetesObject,
} from '../../../kubernetes';
import { startFaultProxy, type FaultProxy, type SeenCall } from '../../support/fault-proxy';
import { startCluster, type TestCluster } from '../../support/kubernetes';
import { groupManifest, groupWithVms } from '../../support/manifests';
import { until } from '../../support/until';

/** Milliseconds after which the holder's belief is over. */
const BELIEF = 10_000;
/** Seconds that a lease is good for after a renewal. */
const LEASE_SECONDS = 15;
/** Writes that are open at the same time. */
const CONCURRENCY = 16;
const names = Array.from({ length: 40 }, (_, at) => `n-${String(at).padStart(2, '0')}`);

let cluster: TestCluster;
let api: ApiServer;
let proxy: FaultProxy;
let slow: ApiServer;

beforeAll(async () => {
  cluster = await startCluster();
  api = connectKubernetes({ kubeconfig: cluster.kubeconfig() });
  await cluster.define();
  proxy = await startFaultProxy(cluster.kubeconfig());
  slow = connectKubernetes({ kubeconfig: proxy.kubeconfig });
}, 120_000);
afterEach(() => proxy.heal());
afterAll(async () => {
  await proxy.close();
  await cluster.stop();
});

function kubectl(args: string[], input?: string): Promise<string> {
  return cluster.run(args, input);
}

async function apply(namespace: string, text: string): Promise<void> {
  await kubectl(['create', 'namespace', namespace]);
  await kubectl(['apply', '--server-side', '--validate=strict', '-f', '-'], text);
}

/** Holds the thread still, as a machine that is paused does: no timer, no answer comes through. */
function pause(time: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, time);
}

test('LEADER-1: a process that may use leases does not lead because it is refused for a moment', async () => {
  const told: string[] = [];
  let answered = 0;
  let refused = 0;
  const moody: ApiServer = {
    ...api,
    get: async (...of) => {
      if (answered > 0 && refused < 2) {
        refused += 1;
        throw new KubernetesError('the roles are not read yet', 403, 'Forbidden');
      }
      answered += 1;
      return api.get(...of);
    },
  };
  const part = (identity: string, of: ApiServer): LeaderElection => {
    const onChange = (leading: boolean): void => void told.push(`${identity} ${leading}`);
    const named = { namespace: 'default', name: 'moody', identity };
    const election = new LeaderElection({ api: of, ...named, onChange, onForbidden: () => undefined });
    election.start();
    return election;
  };
  const first = part('first', api);
  await until(() => first.isLeader());
  const second = part('second', moody);
  await until(() => refused === 2 && answered > 1);
  expect(told).toEqual(['first true']);
  await second.stop();
  await first.stop();
});

describe('LEADER-1: what a process that was paused believes of its lease', () => {
  let election: LeaderElection | undefined;
  let told: boolean[];
  /** Takes part in an election; returns whether it is won. */
  function hold(name: string, of: ApiServer = api): () => boolean {
    const started = new LeaderElection({
      api: of,
      namespace: 'default',
      name,
      identity: `${name}-1`,
      onChange: (leading) => told.push(leading),
    });
    started.start();
    election = started;
    return () => started.isLeader();
  }
  beforeEach(() => (told = []));
  afterEach(() => election?.stop());

  test('its first action after waking up finds the leadership over; it is notified, and leads again with the next renewal', async () => {
    const holding = hold('paused');
    await until(holding);
    pause(BELIEF + 100);
    expect(holding()).toBe(false);
    await until(() => told.length === 3 && holding());
    expect(told).toEqual([true, false, true]);
  });

  test('an answer that was on its way meanwhile is as old as its question', async () => {
    let asked = 0;
    const holding = hold('answered', {
      ...api,
      replace: async (...of) => {
        const written = await api.replace(...of);
        asked += 1;
        if (asked === 1) pause(BELIEF + 100);
        return written;
      },
    });
    await until(holding);
    await until(() => asked === 1);
    await Promise.resolve();
    expect(holding()).toBe(false);
    await until(() => asked === 2 && holding());
  });

  test('a machine that stood still together with its clock of running time knows by the time of day', async () => {
    const holding = hold('suspended');
    await until(holding);
    const later = Date.now() + BELIEF;
    const clock = jest.spyOn(Date, 'now').mockReturnValue(later);
    try {
      expect(holding()).toBe(false);
    } finally {
      clock.mockRestore();
    }
    // A clock that is set back tells nothing.
    jest.spyOn(Date, 'now').mockReturnValue(0);
    expect(holding()).toBe(true);
    jest.restoreAllMocks();
  });

  test('while no renewal gets through it ends before the lease does', async () => {
    const holding = hold('cut', slow);
    await until(holding);
    proxy.decide(({ resource }) => (resource === 'leases' ? 'silent' : undefined));
    await until(() => told.length === 2);
    expect([told, holding()]).toEqual([[true, false], false]);
    const { spec } = (await api.get(RESOURCES.leases, { namespace: 'default', name: 'cut' })) as {
      spec: { holderIdentity: string; renewTime: string; leaseDurationSeconds: number };
    };
    const age = Date.now() - Date.parse(spec.renewTime);
    expect([spec.holderIdentity, age < spec.leaseDurationSeconds * 1000]).toEqual(['cut-1', true]);
  });
});

/** Lets writes of one resource take a while; `onFirst` hears of the first one. */
function slowWrites(namespace: string, resource: string, onFirst: () => void): void {
  let first = true;
  proxy.decide((call) => {
    if (!isWrite(namespace, resource)(call)) return undefined;
    if (first) onFirst();
    first = false;
    return { delay: 200 };
  });
}

const isWrite =
  (namespace: string, resource: string) =>
  (call: SeenCall): boolean =>
    call.method === 'PATCH' && call.resource === resource && call.path.includes(`/${namespace}/`);

const writes = (namespace: string, resource: string): number =>
  proxy.calls().filter(isWrite(namespace, resource)).length;

/** What ownership writes to the group `app` of a namespace, through a proxy. */
async function owning(
  namespace: string,
  isLeader: () => boolean,
): Promise<{ ownership: Ownership; group: Group; index: ManifestIndex; stop: () => Promise<void> }> {
  const machines = resourceCache({ api, resource: RESOURCES.virtualMachines, trim: (object) => object });
  const objects = clusterObjects({ api, machines });
  const source = kubernetesSource(objects);
  let index: ManifestIndex | undefined;
  await source.start((state) => (index = state.index));
  const group = index?.groups.get(`${namespace}/app`);
  if (!index || !group) throw new Error('no group');
  const ownership = kubernetesOwnership({
    api: slow,
    objects,
    owned: new OwnedObjects(objects),
    isLeader,
    deletionOf: async () => 'Orphan',
  });
  return {
    ownership,
    group,
    index,
    stop: async () => void (await Promise.all([source.stop(), machines.stop()])),
  };
}

test('OWN-1: writes that wait when the lease is lost are not made; the next leader writes what is missing, and only that', async () => {
  await apply('marks', groupWithVms({ namespace: 'marks', name: 'app', tiers: [{ members: names }] }));
  let leading = true;
  const { ownership, group, index, stop } = await owning('marks', () => leading);
  const tiers = resolveTiers(index, group);
  slowWrites('marks', 'virtualmachines', () => (leading = false));
  await ownership.own(group, tiers);
  const written = writes('marks', 'virtualmachines');
  expect(written).toBeGreaterThan(0);
  expect(written).toBeLessThanOrEqual(CONCURRENCY);

  leading = true;
  await ownership.own(group, tiers);
  await ownership.own(group, tiers);
  expect(writes('marks', 'virtualmachines')).toBe(names.length);
  for (const name of names) {
    const vm = await api.get(RESOURCES.virtualMachines, { namespace: 'marks', name });
    expect(vm?.metadata.ownerReferences).toMatchObject([{ name: 'app', uid: group.uid }]);
  }
  await stop();
});

describe('LEADER-3: writes to an API server that takes its time', () => {
  const elections: LeaderElection[] = [];
  afterEach(() => Promise.all(elections.map((each) => each.stop())));

  /** A process that leads; renewals go through the proxy. */
  async function lead(name: string): Promise<ApiServer> {
    const election = new LeaderElection({
      api: slow,
      namespace: 'default',
      name,
      identity: `${name}-1`,
      onChange: () => undefined,
    });
    elections.push(election);
    election.start();
    await until(() => election.isLeader());
    return leaderWrites(slow, () => election.term);
  }

  /** Milliseconds until a write to the group of a namespace ends, and with what error. */
  async function write(of: ApiServer, namespace: string): Promise<{ took: number; error: string }> {
    const began = performance.now();
    const object = { metadata: { namespace, name: 'app' }, status: { message: 'written' } };
    const error = await of
      .apply(RESOURCES.virtualMachineGroups, object, { fieldManager: 'test', subresource: 'status' })
      .then(() => '')
      .catch(String);
    return { took: performance.now() - began, error };
  }

  const messageIn = async (namespace: string): Promise<unknown> =>
    (await api.get(RESOURCES.virtualMachineGroups, { namespace, name: 'app' }))?.status;

  test('a leader waits for them as long as it renews its lease; one that is cut off gives them up before the lease is over', async () => {
    await apply('held', groupManifest({ namespace: 'held', name: 'app', tiers: [] }));
    await apply('cut', groupManifest({ namespace: 'cut', name: 'app', tiers: [] }));
    const [held, cut] = await Promise.all([lead('held'), lead('cut')]);
    // Longer than a lease is good for that is not renewed.
    const delay = LEASE_SECONDS * 1_000 + 500;
    proxy.decide((call) => {
      if (call.resource === 'leases') return call.path.includes('/cut') ? 'silent' : undefined;
      return call.method === 'PATCH' ? { delay } : undefined;
    });
    const [written, givenUp] = await Promise.all([write(held, 'held'), write(cut, 'cut')]);
    expect(written.error).toBe('');
    expect(written.took).toBeGreaterThan(delay);
    expect(givenUp.error).toContain('no longer leads');
    expect(givenUp.took).toBeLessThan(LEASE_SECONDS * 1_000);
    expect(await messageIn('held')).toMatchObject({ message: 'written' });
    expect(await messageIn('cut')).toBeUndefined();
    // A write that begins after the term is not sent.
    proxy.forget();
    expect((await write(cut, 'cut')).error).toContain('no longer leads');
    expect(proxy.calls().filter(isWrite('cut', 'virtualmachinegroups/status'))).toEqual([]);
  });
});

function viewOf(
  { namespace = '', name, uid = '' }: KubernetesObject['metadata'],
  message: string,
): GroupView {
  return {
    apiVersion: 'vmoperator.vmware.com/v1alpha6',
    kind: 'VirtualMachineGroup',
    metadata: { namespace, name, uid, generation: 1 },
    spec: {},
    status: { observedGeneration: 1, members: [], conditions: [] },
    phase: 'Unmanaged',
    message,
  };
}

/** The groups as a bridge observes them. */
function follow(): Pick<ClusterObjects, 'groups' | 'stop'> {
  const machines = resourceCache({ api, resource: RESOURCES.virtualMachines, trim: (object) => object });
  const objects = clusterObjects({ api, machines });
  return {
    groups: objects.groups,
    stop: async () => void (await Promise.all([objects.stop(), machines.stop()])),
  };
}

test('STORE-2: status that waits when the lease is lost is not written; the next leader writes it', async () => {
  const text = names.map((name) => groupManifest({ namespace: 'status', name, tiers: [] })).join('---\n');
  await apply('status', text);
  const { items } = await api.list(RESOURCES.virtualMachineGroups, { namespace: 'status' });
  let leading = true;
  const { groups, stop } = follow();
  await groups.synced();
  const digests = (): string[] => [...groups.entries()].map(([, { statusDigest }]) => statusDigest);
  const untouched = digests();
  const store = kubernetesStatusStore({ api: slow, groups, isLeader: () => leading });
  slowWrites('status', 'virtualmachinegroups/status', () => (leading = false));
  for (const { metadata } of items) store.save(viewOf(metadata, 'fine'));
  const written = (): number => writes('status', 'virtualmachinegroups/status');
  await until(() => written() > 0);
  await store.flush();
  const before = written();
  expect(before).toBeLessThanOrEqual(CONCURRENCY);
  await store.flush();
  expect(written()).toBe(before);
  // What was written and not seen yet is written again.
  await until(() => digests().filter((digest) => !untouched.includes(digest)).length === before);

  leading = true;
  store.lead();
  await store.flush();
  // What the server has already is not written again.
  expect(written()).toBe(names.length);
  await store.flush();
  expect(written()).toBe(names.length);
  await stop();
});

test('STORE-3: status that the server finds invalid is retried and reported once, and another one is tried at once', async () => {
  await apply('invalid', groupManifest({ namespace: 'invalid', name: 'app', tiers: [] }));
  const group = { namespace: 'invalid', name: 'app' };
  const metadata = (await api.get(RESOURCES.virtualMachineGroups, group))?.metadata ?? { name: '' };
  const told: string[] = [];
  const { groups, stop } = follow();
  const store = kubernetesStatusStore({
    api,
    groups,
    isLeader: () => true,
    onError: (error) => told.push(error instanceof Error ? error.message : ''),
  });
  const invalid = viewOf(metadata, 'no time at all');
  invalid.status.lastUpdatedPowerStateTime = 'yesterday';
  store.save(invalid);
  await until(() => store.writes === 4);
  expect(told).toEqual([expect.stringContaining('lastUpdatedPowerStateTime')]);
  store.save(viewOf(metadata, 'fine'));
  await until(async () => {
    const { status } = (await api.get(RESOURCES.virtualMachineGroups, group)) ?? {};
    return (status as { message?: string } | undefined)?.message === 'fine';
  });
  expect([store.writes, told.length]).toEqual([5, 1]);
  await store.flush();
  await stop();
});

test.each([
  [false, [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]],
  [true, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000]],
])('STORE-3: the pauses grow, where it is invalid (%s) to minutes', (isInvalid, pauses) => {
  expect(pauses.map((_, at) => pauseAfter(at + 1, isInvalid))).toEqual(pauses);
  expect(pauseAfter(100, isInvalid)).toBe(isInvalid ? 300_000 : 10_000);
});
