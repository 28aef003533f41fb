/**
 * Several processes that place VMs in one namespace, on a real API server: VMOPERATOR-4 of the platform, and the LOCK invariants of its lease.
 *
 * A process that is paused or cut off is one whose calls are held up or refused here, as its timers are.
 *
 * Guarantees: G5.
 */
import { RESOURCES, leaseLocks, type ApiServer, type HeldLock } from '../../kubernetes';
import type { PlacementRequest, VirtualMachineRef } from '../../contract';
import { PLACEMENT_LEASE } from '../../platforms/vm-operator/platform';
import type { TestCluster } from '../support/kubernetes';
import { GIB } from '../simulator/fixtures';
import { until } from '../support/until';
import { Desk, startZonedCluster, withProcess } from './vm-operator-fixtures';

const PLACEMENT = 'vmgroup.dev/placement';
const LEASE = { namespace: 'prod', name: PLACEMENT_LEASE };
const one = { caller: 'vmgroup/prod/one', sequence: 1 };
const two = { caller: 'vmgroup/prod/two', sequence: 1 };

let cluster: TestCluster;
let desk: Desk;
beforeAll(async () => {
  cluster = await startZonedCluster();
  desk = new Desk(cluster.kubeconfig());
  await desk.api.create(RESOURCES.virtualMachineClasses, {
    metadata: { name: 'small', namespace: 'prod' },
    spec: { hardware: { cpus: 2, memory: '4Gi' } },
  });
}, 120_000);
afterAll(() => cluster.stop());

/** Each test begins with two zones that hold one VM each, without VMs and lease. */
beforeEach(async () => {
  for (const resource of [RESOURCES.virtualMachines, RESOURCES.zones] as const)
    for (const { metadata } of (await desk.api.list(resource)).items)
      await desk.api.delete(resource, metadata);
  await desk.api.delete(RESOURCES.leases, LEASE);
  for (const name of ['zone-a', 'zone-b'])
    await desk.api.create(RESOURCES.zones, {
      metadata: { name, namespace: 'prod' },
      spec: { managedVMs: { poolMoIDs: [`pool-${name}`] }, memory: { limit: '4Gi' } },
    });
});

const apart = {
  vmAntiAffinity: {
    requiredDuringSchedulingPreferredDuringExecution: [
      { labelSelector: { matchLabels: { app: 'db' } }, topologyKey: 'topology.kubernetes.io/zone' },
    ],
  },
};

function database(name: string): Promise<VirtualMachineRef> {
  return desk.manifest(name, {
    metadata: { labels: { app: 'db' } },
    spec: { groupName: 'shop', affinity: apart },
  });
}

function asks(vm: VirtualMachineRef): PlacementRequest {
  return { vm, cpus: 2, memory: 4 * GIB };
}

async function zoneOf(name: string): Promise<unknown> {
  return ((await desk.record(name, PLACEMENT)) as Record<string, unknown> | null)?.['zoneID'];
}

async function lease(): Promise<{ holderIdentity?: string }> {
  return ((await desk.api.get(RESOURCES.leases, LEASE)) as { spec?: object } | undefined)?.spec ?? {};
}

test('two processes place VMs that exclude each other at the same moment: each in a zone of its own', async () => {
  const vms = await Promise.all(Array.from({ length: 6 }, (_, at) => database(`db-${at}`)));
  await withProcess(cluster.kubeconfig(), (a) =>
    withProcess(cluster.kubeconfig(), async (b) => {
      const answers = await Promise.allSettled(
        vms.map((vm, at) => (at % 2 === 0 ? a : b).platform.place([asks(vm)], at % 2 === 0 ? one : two)),
      );
      const placed = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
      expect(placed.map(({ placement }) => placement?.zoneID).sort()).toEqual(['zone-a', 'zone-b']);
      for (const answer of answers)
        if (answer.status === 'rejected') expect(answer.reason).toMatchObject({ failureClass: 'NoCapacity' });
    }),
  );
  expect((await lease()).holderIdentity ?? '').toBe('');
}, 60_000);

test('a process that was paused between its search and its writes takes back what it wrote', async () => {
  const [late, early] = [await database('late'), await database('early')];
  await withProcess(cluster.kubeconfig(), (a) =>
    withProcess(cluster.kubeconfig(), async (b) => {
      let resume: () => void = () => undefined;
      const paused = new Promise<void>((resolve) => (resume = resolve));
      a.api.before = (call) => (call.startsWith('PATCH') ? paused : Promise.resolve());
      const lost = a.platform.place([asks(late)], one);
      await until(() => a.api.calls.includes('PATCH virtualmachines'));
      // As after its lease has run out: this one's clock is not asked.
      await desk.api.delete(RESOURCES.leases, LEASE);
      const [other] = await b.platform.place([asks(early)], two);
      const free = other?.placement?.zoneID === 'zone-a' ? 'zone-b' : 'zone-a';
      resume();
      await expect(lost).rejects.toMatchObject({
        failureClass: 'Transient',
        message: expect.stringContaining('lost the placement lock') as string,
      });
      expect(await zoneOf('late')).toBeUndefined();
      a.api.before = () => Promise.resolve();
      const [again] = await a.platform.place([asks(late)], one);
      expect(again?.placement?.zoneID).toBe(free);
    }),
  );
}, 60_000);

test('if it dies before that, the next attempt of its call finds what it wrote, and replaces what breaks a rule', async () => {
  const [late, early] = [await database('late'), await database('early')];
  await withProcess(cluster.kubeconfig(), async ({ platform }) => {
    const [other] = await platform.place([asks(early)], two);
    const taken = other?.placement?.zoneID ?? '';
    const text = JSON.stringify({ uid: late.uid, zoneID: taken, ...one });
    await desk.api.merge(RESOURCES.virtualMachines, late, {
      metadata: { annotations: { [PLACEMENT]: text } },
    });
    const [again] = await platform.place([asks(late)], one);
    expect(again?.placement?.zoneID).toBe(taken === 'zone-a' ? 'zone-b' : 'zone-a');
  });
}, 60_000);

test('LEASELOCK-3: a holder that died delays the others by some seconds, regardless of its clock', async () => {
  const vm = await database('db');
  const spec = {
    holderIdentity: 'dead',
    leaseDurationSeconds: 8,
    renewTime: '2099-01-01T00:00:00.000000Z',
    acquireTime: '2099-01-01T00:00:00.000000Z',
  };
  await desk.api.create(RESOURCES.leases, { metadata: LEASE, spec });
  await withProcess(cluster.kubeconfig(), async ({ platform }) => {
    const began = performance.now();
    const [placed] = await platform.place([asks(vm)], one);
    expect(placed?.placement).toBeDefined();
    const waited = performance.now() - began;
    expect(waited).toBeGreaterThan(7_500);
    expect(waited).toBeLessThan(25_000);
  });
}, 60_000);

describe('the lock itself', () => {
  const locksOf = (identity: string, api: ApiServer = desk.api): ReturnType<typeof leaseLocks> =>
    leaseLocks({ api, name: PLACEMENT_LEASE, identity });

  test('LEASELOCK-1: work under it never overlaps, in one process or several', async () => {
    const processes = [locksOf('a'), locksOf('b'), locksOf('c')];
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 12 }, (_, at) =>
        processes[at % 3]!.withLock('prod', async (lock) => {
          most = Math.max(most, (inside += 1));
          await new Promise((resolve) => setTimeout(resolve, 20));
          expect(await lock.isHeld()).toBe(true);
          inside -= 1;
        }),
      ),
    );
    expect(most).toBe(1);
  }, 60_000);

  test('LEASELOCK-2: a holder that is cut off is notified before the lease expires; then another one acquires it', async () => {
    let cut = false;
    const refuse = async <T>(call: () => Promise<T>): Promise<T> => {
      if (cut) throw new Error('cut off');
      return call();
    };
    const api: ApiServer = {
      ...desk.api,
      get: (...call) => refuse(() => desk.api.get(...call)),
      replace: (...call) => refuse(() => desk.api.replace(...call)),
    };
    let held: HeldLock | undefined;
    let told = Infinity;
    const work = locksOf('cut', api).withLock('prod', async (lock) => {
      held = lock;
      cut = true;
      await new Promise((resolve) => lock.signal.addEventListener('abort', resolve, { once: true }));
      told = performance.now();
    });
    await until(() => held !== undefined);
    let taken = Infinity;
    await locksOf('next').withLock('prod', () => {
      taken = performance.now();
      return Promise.resolve();
    });
    await work;
    expect(told).toBeLessThan(taken);
    cut = false;
    expect(await held?.isHeld()).toBe(false);
  }, 60_000);

  test('a lock that is held is renewed, and a call that is cancelled waits no more', async () => {
    const versions = async (): Promise<string | undefined> =>
      (await desk.api.get(RESOURCES.leases, LEASE))?.metadata.resourceVersion;
    const cancel = new AbortController();
    await locksOf('holder').withLock('prod', async (lock) => {
      const before = await versions();
      const waiting = locksOf('other').withLock('prod', () => Promise.resolve(), cancel.signal);
      await until(async () => (await versions()) !== before);
      cancel.abort(new Error('cancelled'));
      await expect(waiting).rejects.toThrow('cancelled');
      expect(lock.signal.aborted).toBe(false);
      expect(await lock.isHeld()).toBe(true);
    });
  }, 60_000);
});
