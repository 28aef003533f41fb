/** One Lease on a real API server: what a renewal does where the lease is no longer as it was. */
import { Lease } from '../../kubernetes/leases/lease';
import { connectKubernetes, leaseLocks, RESOURCES, type ApiServer } from '../../kubernetes';
import { startCluster, type TestCluster } from '../support/kubernetes';
import { until } from '../support/until';

let cluster: TestCluster;
let api: ApiServer;

beforeAll(async () => {
  cluster = await startCluster();
  api = connectKubernetes({ kubeconfig: cluster.kubeconfig() });
}, 120_000);
afterAll(() => cluster.stop());

const leaseOf = (name: string, identity: string): Lease =>
  new Lease({ api, namespace: 'default', name, identity, seconds: 15, timeout: 5_000 });

test('a lease that was deleted is not renewed, nor created', async () => {
  const lease = leaseOf('deleted', 'one');
  await lease.acquire();
  await api.delete(RESOURCES.leases, { namespace: 'default', name: 'deleted' });
  expect(await lease.renew()).toBeUndefined();
  expect(await api.get(RESOURCES.leases, { namespace: 'default', name: 'deleted' })).toBeUndefined();
});

test('a lease that another process holds, or that is free again, is left alone', async () => {
  const lease = leaseOf('taken', 'one');
  await lease.acquire();
  await lease.release();
  const other = leaseOf('taken', 'two');
  expect(await other.acquire()).toBeDefined();
  expect(await lease.renew()).toBeUndefined();
  await other.release();
  expect(await lease.renew()).toBeUndefined();
});

test('a lease that was written since, and is still ours, is renewed: the answer to a write may have been lost', async () => {
  const lease = leaseOf('edited', 'one');
  await lease.acquire();
  await api.merge(RESOURCES.leases, { namespace: 'default', name: 'edited' }, { spec: { renewTime: null } });
  expect(await lease.renew()).toBeDefined();
});

test('a lock in a namespace that is not there says so at once, and not that another process holds it', async () => {
  const locks = leaseLocks({ api, name: 'lock', identity: 'one' });
  await expect(locks.withLock('nowhere', async () => 'done')).rejects.toMatchObject({
    code: 404,
    message: expect.stringContaining('namespaces "nowhere" not found') as string,
  });
});

test('a lease that is deleted between the reading and the writing is acquired all the same', async () => {
  const deleting: ApiServer = {
    ...api,
    replace: async (resource, object, options) => {
      await api.delete(resource, { namespace: 'default', name: object.metadata.name });
      return api.replace(resource, object, options);
    },
  };
  await leaseOf('raced', 'one').acquire();
  const raced = { api: deleting, namespace: 'default', name: 'raced', identity: 'one' };
  expect(await new Lease({ ...raced, seconds: 15, timeout: 5_000 }).acquire()).toBeDefined();
});

test('LEASE-3: a lease that is deleted while a process holds it is not acquired before it would have been over', async () => {
  const holder = leaseOf('removed', 'one');
  const other = leaseOf('removed', 'two');
  await holder.acquire();
  expect(await other.acquire()).toBeUndefined();
  await api.delete(RESOURCES.leases, { namespace: 'default', name: 'removed' });
  expect(await other.acquire()).toBeUndefined();
  expect(await holder.acquire()).toBeDefined();
  expect(await other.acquire()).toBeUndefined();
});

test('LEASE-3: a lease that was deleted is acquired once it would have been over', async () => {
  const brief = (identity: string): Lease =>
    new Lease({ api, namespace: 'default', name: 'brief', identity, seconds: 1, timeout: 5_000 });
  await brief('one').acquire();
  const other = brief('two');
  expect(await other.acquire()).toBeUndefined();
  await api.delete(RESOURCES.leases, { namespace: 'default', name: 'brief' });
  await until(async () => (await other.acquire()) !== undefined);
});
