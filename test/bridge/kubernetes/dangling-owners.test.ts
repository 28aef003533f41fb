/**
 * Owner references to groups that are gone, on a real API server: OWN-6 to OWN-9.
 *
 * Guarantees: G6.
 */
import { clusterObjects } from '../../../bridge/kubernetes/objects';
import { DanglingOwners, OwnedObjects } from '../../../bridge/kubernetes/ownership';
import {
  connectKubernetes,
  KubernetesError,
  RESOURCES,
  resourceCache,
  type ApiServer,
  type KubernetesObject,
} from '../../../kubernetes';
import { startCluster, type TestCluster } from '../../support/kubernetes';
import { groupManifest, vmManifest } from '../../support/manifests';
import { until } from '../../support/until';

const GONE = '00000000-0000-4000-8000-000000000000';

let cluster: TestCluster;
let api: ApiServer;
let closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  api = connectKubernetes({ kubeconfig: cluster.kubeconfig() });
  await cluster.define();
}, 120_000);
afterEach(async () => {
  for (const close of closers.reverse()) await close();
  closers = [];
});
afterAll(() => cluster.stop());

/** Creates a namespace with a group `app` and VMs. */
async function create(namespace: string, ...vms: string[]): Promise<void> {
  await cluster.run(['create', 'namespace', namespace]);
  const manifests = [
    groupManifest({ namespace, name: 'app', tiers: [] }),
    ...vms.map((name) => vmManifest(namespace, name, 'app')),
  ];
  await cluster.run(['apply', '--server-side', '-f', '-'], manifests.join('---\n'));
}

type Owner = NonNullable<KubernetesObject['metadata']['ownerReferences']>[number];

const groupOwner = (name: string, uid: string): Owner => ({
  apiVersion: 'vmoperator.vmware.com/v1alpha6',
  kind: 'VirtualMachineGroup',
  name,
  uid,
});

async function setOwners(namespace: string, name: string, ...ownerReferences: Owner[]): Promise<void> {
  await api.merge(RESOURCES.virtualMachines, { namespace, name }, { metadata: { ownerReferences } });
}

async function owners(namespace: string, name: string): Promise<string[]> {
  const vm = await api.get(RESOURCES.virtualMachines, { namespace, name });
  return (vm?.metadata.ownerReferences ?? []).map((owner) => owner.name);
}

const uidOfApp = async (namespace: string): Promise<string> =>
  (await api.get(RESOURCES.virtualMachineGroups, { namespace, name: 'app' }))?.metadata.uid ?? '';

interface Process {
  removed: string[];
  errors: unknown[];
  lead(): void;
}

/** A bridge's look at owner references; `through` is the API server that it asks and writes to. */
function start(
  deletion: 'Orphan' | 'Cascade' = 'Orphan',
  leading = true,
  objectsThrough: ApiServer = api,
  through: ApiServer = api,
): Process {
  const machines = resourceCache({ api, resource: RESOURCES.virtualMachines, trim: (object) => object });
  const objects = clusterObjects({ api: objectsThrough, machines });
  let isLeader = leading;
  const removed: string[] = [];
  const errors: unknown[] = [];
  const dangling = new DanglingOwners({
    api: through,
    objects,
    owned: new OwnedObjects(objects),
    isLeader: () => isLeader,
    deletionOf: () => deletion,
    onRemoved: ({ object }, group) => removed.push(`${object.metadata.name} ${group}`),
    onError: (error) => errors.push(error),
  });
  dangling.start();
  closers.push(
    () => machines.stop(),
    () => objects.stop(),
    () => dangling.stop(),
  );
  return {
    removed,
    errors,
    lead: () => {
      isLeader = true;
      dangling.look();
    },
  };
}

/** Long enough for a pass that must not happen. */
const aWhile = (): Promise<void> => new Promise((over) => setTimeout(over, 1_000));

test('OWN-6: at the start a reference to a group that is gone is removed, and no other one', async () => {
  await create('started', 'lost', 'kept');
  const uid = await uidOfApp('started');
  const disk = { apiVersion: 'v1', kind: 'ConfigMap', name: 'disk', uid: GONE.replace('4', '5') };
  await setOwners('started', 'lost', groupOwner('old', GONE), disk, groupOwner('app', uid));
  await setOwners('started', 'kept', groupOwner('app', uid));
  const { removed } = start();
  await until(() => removed.length > 0);
  await aWhile();
  expect(removed).toEqual(['lost old']);
  expect(await owners('started', 'lost')).toEqual(['disk', 'app']);
  expect(await owners('started', 'kept')).toEqual(['app']);
});

test('OWN-6: a reference that comes later is removed too, also to a group that was recreated under its name', async () => {
  await create('later', 'vm');
  const { removed } = start();
  await aWhile();
  await setOwners('later', 'vm', groupOwner('app', GONE));
  await until(() => removed.length === 1);
  const uid = await uidOfApp('later');
  await setOwners('later', 'vm', groupOwner('app', uid));
  await cluster.run(['-n', 'later', 'delete', 'vmg', 'app']);
  await until(() => removed.length === 2);
  expect(await owners('later', 'vm')).toEqual([]);
});

test('OWN-6: only the holder of the lease writes; a process that gets it later does', async () => {
  await create('follower', 'vm');
  await setOwners('follower', 'vm', groupOwner('old', GONE));
  const follower = start('Orphan', false);
  await aWhile();
  expect(await owners('follower', 'vm')).toEqual(['old']);
  follower.lead();
  await until(() => follower.removed.length === 1);
  expect(await owners('follower', 'vm')).toEqual([]);
});

test('OWN-6: a VM that is being deleted already stays as it is', async () => {
  await create('deleted', 'vm');
  await setOwners('deleted', 'vm', groupOwner('old', GONE));
  const name = { namespace: 'deleted', name: 'vm' };
  await api.merge(RESOURCES.virtualMachines, name, { metadata: { finalizers: ['test.example/hold'] } });
  await cluster.run(['-n', 'deleted', 'delete', 'vm', 'vm', '--wait=false']);
  start();
  await aWhile();
  expect(await owners('deleted', 'vm')).toEqual(['old']);
  await api.merge(RESOURCES.virtualMachines, name, { metadata: { finalizers: null } });
});

test('OWN-7: a group with the policy Cascade leaves its references to the garbage collector', async () => {
  await create('cascade', 'vm');
  await setOwners('cascade', 'vm', groupOwner('app', await uidOfApp('cascade')));
  start('Cascade');
  await aWhile();
  await cluster.run(['-n', 'cascade', 'delete', 'vmg', 'app']);
  await aWhile();
  expect(await owners('cascade', 'vm')).toEqual(['app']);
  await setOwners('cascade', 'vm');
});

/** An API server whose watch on groups lags behind: it knows of none. */
const withoutGroups = (): ApiServer => ({
  ...api,
  list: async (resource, options) => {
    const list = await api.list(resource, options);
    return resource.kind === 'VirtualMachineGroup' ? { ...list, items: [] } : list;
  },
});

test('OWN-8: a group that this process does not know yet keeps its references', async () => {
  await create('unknown', 'vm');
  await setOwners('unknown', 'vm', groupOwner('app', await uidOfApp('unknown')));
  const { removed } = start('Orphan', true, withoutGroups());
  await aWhile();
  expect([removed, await owners('unknown', 'vm')]).toEqual([[], ['app']]);
});

test('OWN-8: another reference with the same uid and a wrong name says nothing about the right one', async () => {
  await create('misnamed', 'a-wrong', 'right');
  const uid = await uidOfApp('misnamed');
  await setOwners('misnamed', 'a-wrong', groupOwner('other,name=x', uid));
  await setOwners('misnamed', 'right', groupOwner('app', uid));
  const { removed } = start('Orphan', true, withoutGroups());
  await until(() => removed.length > 0);
  await aWhile();
  expect(removed).toEqual(['a-wrong other,name=x']);
  expect(await owners('misnamed', 'right')).toEqual(['app']);
});

test('OWN-9: a name that no group can have, and a VM that may not be changed, keep no other reference', async () => {
  await create('stuck', 'odd', 'refused', 'vm');
  const other = (digit: string): string => GONE.replace('4', digit);
  await setOwners('stuck', 'odd', groupOwner('..', other('1')));
  await setOwners('stuck', 'refused', groupOwner('old', other('2')));
  await setOwners('stuck', 'vm', groupOwner('old', other('3')));
  const denied = new KubernetesError('admission webhook denied the request', 403, 'Forbidden');
  const { removed, errors } = start('Orphan', true, api, {
    ...api,
    merge: (resource, key, ...rest) =>
      key.name === 'refused' ? Promise.reject(denied) : api.merge(resource, key, ...rest),
  });
  await until(() => removed.length === 2);
  expect(removed.sort()).toEqual(['odd ..', 'vm old']);
  await until(() => errors.includes(denied));
  expect(await owners('stuck', 'refused')).toEqual(['old']);
});
