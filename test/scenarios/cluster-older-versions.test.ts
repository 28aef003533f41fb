/**
 * The product on the definitions of an older VM Operator, which serve no `v1alpha6`, and while they are updated: SERVED-1 and SERVED-2.
 *
 * Guarantees: G8.
 */
import { checkDefinitions } from '../../cli/doctor/definitions';
import { readCluster } from '../../cli/manifests';
import { connectKubernetes, RESOURCES } from '../../kubernetes';
import { startClusterSystem, type ClusterSystem } from '../support/cluster-system';
import type { TestCluster } from '../support/kubernetes';
import { groupWithVms } from '../support/manifests';

jest.setTimeout(120_000);

const ALL = ['v1alpha2', 'v1alpha3', 'v1alpha4', 'v1alpha5', 'v1alpha6'];
const OLD = { virtualmachinegroups: ALL.slice(0, 3), virtualmachines: ALL.slice(0, 4) };
const { virtualMachineGroups, virtualMachines, virtualMachineClasses } = RESOURCES;

/** Lets the definitions serve these versions, and no others. */
async function serve(cluster: TestCluster, versions: Record<string, string[]>): Promise<void> {
  for (const [plural, served] of Object.entries(versions)) {
    const name = `${plural}.vmoperator.vmware.com`;
    const patch = ALL.map((version, at) => ({
      op: 'replace',
      path: `/spec/versions/${at}/served`,
      value: served.includes(version),
    }));
    await cluster.run(['patch', 'crd', name, '--type=json', '-p', JSON.stringify(patch)]);
  }
}

let system: ClusterSystem;
beforeAll(async () => {
  system = await startClusterSystem({
    platform: 'vm-operator',
    prepare: (cluster) => serve(cluster, { ...OLD, virtualmachineclasses: [] }),
  });
  await system.startBridge();
  const text = groupWithVms({
    namespace: 'old',
    name: 'app',
    powerState: 'PoweredOn',
    tiers: [{ members: ['db'] }, { members: ['web'] }],
  });
  await system.until(async () => {
    const found = await system.cluster.kubectl(['get', '--raw', '/apis/vmoperator.vmware.com/v1alpha6']);
    return found.code !== 0;
  }, 'v1alpha6 to be gone');
  await system.apply('old', text.replaceAll('v1alpha5', 'v1alpha4'));
}, 240_000);
afterAll(() => system.stop());

async function converged(powerState: string): Promise<void> {
  await system.until(async () => {
    const status = await system.status('old', 'app');
    const reached = status?.members.every((member) => member.powerState === powerState);
    return status?.phase === 'Converged' && reached;
  }, `the group to be ${powerState}`);
}

const owners = async (name: string): Promise<unknown> =>
  (await system.get(virtualMachines, 'old', name))?.metadata.ownerReferences;

test('SERVED-1: groups are driven in the newest version that is served, and commands read it', async () => {
  await converged('PoweredOn');
  const group = await system.get(virtualMachineGroups, 'old', 'app');
  const vm = await system.get(virtualMachines, 'old', 'db');
  expect([group?.apiVersion, vm?.apiVersion]).toEqual([
    'vmoperator.vmware.com/v1alpha4',
    'vmoperator.vmware.com/v1alpha5',
  ]);
  // A garbage collector finds no owner in a version that is not served.
  expect(await owners('db')).toMatchObject([{ apiVersion: 'vmoperator.vmware.com/v1alpha4', name: 'app' }]);
  const { manifests, problems } = await readCluster({
    kubeconfig: system.cluster.kubeconfig(),
    watchNamespaces: [],
    source: 'kubernetes',
  });
  expect([manifests.groups.length, manifests.virtualMachines.length, problems]).toEqual([1, 2, []]);
});

test('doctor says what is served, and that nothing of a resource is', async () => {
  const checks = await checkDefinitions(connectKubernetes({ kubeconfig: system.cluster.kubeconfig() }));
  const of = (plural: string): unknown => checks.find(({ check }) => check === `crd ${plural}`);
  expect(of('virtualmachinegroups')).toMatchObject({
    result: 'note',
    message:
      'serves v1alpha2, v1alpha3, v1alpha4; stores v1alpha6; manifests in v1alpha5, v1alpha6 are refused',
  });
  expect(of('virtualmachineclasses')).toMatchObject({ result: 'problem' });
  await expect(system.api.list(virtualMachineClasses)).rejects.toMatchObject({
    code: 404,
    reason: 'NotServed',
  });
});

test('SERVED-2: processes that are running follow an update that ends the old versions', async () => {
  await serve(system.cluster, { virtualmachinegroups: ['v1alpha6'], virtualmachines: ['v1alpha6'] });
  await system.until(async () => {
    const group = 'virtualmachinegroups.v1alpha6.vmoperator.vmware.com/app';
    const patch = JSON.stringify({ spec: { powerState: 'PoweredOff' } });
    const told = await system.cluster.kubectl(['-n', 'old', 'patch', group, '--type=merge', '-p', patch]);
    return told.code === 0;
  }, 'v1alpha6 to be served');
  await converged('PoweredOff');
  expect((await system.get(virtualMachineGroups, 'old', 'app'))?.apiVersion).toMatch(/v1alpha6$/);
});
