/**
 * What deleting a group does to its VMs where Kubernetes' own garbage collector runs (OWN-2, OWN-5).
 *
 * Guarantees: G6.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { RESOURCES, type KubernetesObject } from '../../kubernetes';
import { startClusterSystem, type ClusterSystem } from '../support/cluster-system';
import type { SeenCall } from '../support/fault-proxy';
import { groupManifest, policyManifest, vmManifest } from '../support/manifests';

const VMS = Array.from({ length: 30 }, (_, at) => `vm-${String(at).padStart(2, '0')}`);

let system: ClusterSystem;

beforeAll(async () => {
  system = await startClusterSystem({ proxied: true });
  await system.startBridge();
  await system.cluster.startGarbageCollector();
}, 120_000);
afterAll(() => system.stop());

async function vmsIn(namespace: string): Promise<KubernetesObject[]> {
  return (await system.api.list(RESOURCES.virtualMachines, { namespace })).items;
}

async function groupIn(namespace: string): Promise<KubernetesObject | undefined> {
  return system.get(RESOURCES.virtualMachineGroups, namespace, 'app');
}

function owned(vms: KubernetesObject[]): KubernetesObject[] {
  return vms.filter(({ metadata }) => metadata.ownerReferences !== undefined);
}

/** A group of 30 VMs in two tiers. The VMs come first, so that the bridge knows all of them when it sees the group. */
async function create(namespace: string, deletion: 'Orphan' | 'Cascade'): Promise<void> {
  const group = groupManifest({
    namespace,
    name: 'app',
    powerState: 'PoweredOn',
    annotations: { 'vmgroup.dev/policy': 'policy' },
    tiers: [{ members: VMS.slice(0, 15), delay: '1s' }, { members: VMS.slice(15) }],
  });
  const vms = VMS.map((name) => vmManifest(namespace, name, 'app'));
  const policy = policyManifest(namespace, 'policy', { deletion });
  await system.apply(namespace, [policy, ...vms].join('---\n'));
  await system.kubectl(['apply', '--server-side', '-f', '-'], group);
}

async function untilOwned(namespace: string, count: number): Promise<void> {
  await system.until(
    async () => (owned(await vmsIn(namespace)).length >= count ? true : undefined),
    `owner references on ${count} VMs in ${namespace}`,
  );
}

/** Deletes the group as `kubectl delete` does; resolves once it is gone. */
async function deleteGroup(namespace: string): Promise<void> {
  await system.kubectl(['-n', namespace, 'delete', 'vmg', 'app', '--timeout=60s']);
}

/** Waits until the garbage collector has deleted a VM with a missing owner: what it would delete of before is gone by then. */
async function untilCollected(namespace: string): Promise<void> {
  const [apiVersion, kind] = ['vmoperator.vmware.com/v1alpha6', 'VirtualMachineGroup'];
  const owner = { apiVersion, kind, name: 'missing', uid: '8d4c5a0e-0000-4000-8000-000000000000' };
  const canary = JSON.stringify({ metadata: { ownerReferences: [owner] } });
  await system.kubectl(['apply', '--server-side', '-f', '-'], vmManifest(namespace, 'canary', 'none'));
  await system.kubectl(['-n', namespace, 'patch', 'vm', 'canary', '--type=merge', '-p', canary]);
  await system.until(
    async () =>
      (await system.get(RESOURCES.virtualMachines, namespace, 'canary')) === undefined ? true : undefined,
    'the garbage collector to delete a VM with a missing owner',
  );
}

function isFinalizerIn(namespace: string): (call: SeenCall) => boolean {
  return ({ method, path }) =>
    method === 'PATCH' &&
    path.includes(`/${namespace}/virtualmachinegroups/app?`) &&
    path.includes('-finalizer');
}

const MOMENTS: [when: string, wait: (namespace: string) => Promise<void>][] = [
  ['at once', async () => undefined],
  [
    'while its finalizer is on its way',
    async (namespace) => {
      await system.until(
        () => (system.proxy?.calls().some(isFinalizerIn(namespace)) ? true : undefined),
        'the finalizer to be sent',
      );
      // Time to write owner references, which must wait for the finalizer.
      await sleep(1_000);
    },
  ],
  ['at its first owner reference', (namespace) => untilOwned(namespace, 1)],
  [
    'once it has converged',
    async (namespace) => {
      await system.ready(namespace, 'app');
      await untilOwned(namespace, VMS.length);
    },
  ],
];

test.each(MOMENTS)('Orphan keeps all 30 VMs of a group that is deleted %s', async (when, wait) => {
  const namespace = `orphan-${when.replaceAll(' ', '-')}`;
  const isFinalizer = isFinalizerIn(namespace);
  // Shorter than the bridge's own timeout of that write.
  system.proxy?.decide((call) => (isFinalizer(call) ? { delay: 3_000 } : undefined));
  await create(namespace, 'Orphan');
  await wait(namespace);
  await deleteGroup(namespace);
  await untilCollected(namespace);
  const vms = await vmsIn(namespace);
  expect(vms.map(({ metadata }) => metadata.name).sort()).toEqual(VMS);
  expect(vms.filter(({ metadata }) => metadata.deletionTimestamp !== undefined)).toEqual([]);
  expect(owned(vms)).toEqual([]);
});

test('Cascade deletes all 30 VMs', async () => {
  await create('cascade', 'Cascade');
  await untilOwned('cascade', VMS.length);
  await deleteGroup('cascade');
  await system.until(
    async () => ((await vmsIn('cascade')).length === 0 ? true : undefined),
    'the VMs to be deleted',
  );
  expect(await groupIn('cascade')).toBeUndefined();
});
