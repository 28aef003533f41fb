/**
 * What is shipped for clusters with KubeVirt.
 *
 * D1: the worker may do what it needs of KubeVirt and of nodes, and nothing else; the bridge changes no VM.
 * D2: both processes run the platform `kubevirt`, and no definition of VMs is added.
 * D3: with its role as it is, the bridge reads all that it follows.
 *
 * Guarantees: G11.
 */
import path from 'node:path';
import { clusterObjects } from '../../bridge/kubernetes/objects';
import { connectKubernetes, emptyCache, RESOURCES } from '../../kubernetes';
import { rendered, type Container, type Manifest } from '../support/deploy';
import { startCluster } from '../support/kubernetes';
import { until } from '../support/until';

let objects: Manifest[];
beforeAll(async () => {
  objects = await rendered('kubevirt');
}, 60_000);

/** `verb resource.group`, sorted. */
function grantsOf(name: string): string[] {
  const role = objects.find(({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === name);
  const grants = (role?.rules ?? []).flatMap(({ apiGroups, resources, verbs }) =>
    resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource} ${apiGroups.join()}`.trim())),
  );
  return grants.sort();
}

test('D1: the rights of the worker', () => {
  expect(grantsOf('vmgroup-worker')).toEqual(
    [
      ...['get', 'list', 'watch', 'patch'].map((verb) => `${verb} virtualmachines kubevirt.io`),
      'patch virtualmachines/status kubevirt.io',
      ...['list', 'watch'].map((verb) => `${verb} virtualmachineinstances kubevirt.io`),
      ...['start', 'stop'].map((action) => `update virtualmachines/${action} subresources.kubevirt.io`),
      ...['pause', 'unpause'].map(
        (action) => `update virtualmachineinstances/${action} subresources.kubevirt.io`,
      ),
      ...['list', 'watch'].map((verb) => `${verb} nodes`),
    ].sort(),
  );
});

test('D1: the bridge only reads VMs', () => {
  const ofVms = grantsOf('vmgroup-bridge').filter((grant) => grant.includes('kubevirt.io'));
  expect(ofVms).toEqual(
    ['virtualmachineinstances', 'virtualmachines']
      .flatMap((resource) => ['list', 'watch'].map((verb) => `${verb} ${resource} kubevirt.io`))
      .sort(),
  );
});

test('D2: the processes and the definitions', () => {
  const deployments = objects.filter(({ kind }) => kind === 'Deployment');
  expect(deployments).toHaveLength(2);
  for (const { spec } of deployments) {
    const { template } = spec as { template: { spec: { containers: Container[] } } };
    const args = template.spec.containers[0]?.args ?? [];
    expect(args.filter((arg) => arg.startsWith('--platform'))).toEqual(['--platform=kubevirt']);
  }
  const definitions = objects.filter(({ kind }) => kind === 'CustomResourceDefinition');
  expect(definitions.map(({ metadata }) => metadata.name).sort()).toEqual([
    'operatorcommands.vmgroup.dev',
    'sequencepolicies.vmgroup.dev',
    'virtualmachinegroups.vmoperator.vmware.com',
  ]);
});

test('D3: the bridge reads groups and policies, and asks for nothing that its role does not allow', async () => {
  const cluster = await startCluster();
  try {
    const folder = path.join(__dirname, '../../deploy/kubevirt');
    await cluster.run(['apply', '--server-side', '-k', folder]);
    const user = 'system:serviceaccount:vmgroup-system:vmgroup-bridge';
    const api = connectKubernetes({ kubeconfig: cluster.kubeconfig(user) });
    await until(() =>
      api.list(RESOURCES.sequencePolicies).then(
        () => true,
        () => false,
      ),
    );
    const broken: string[] = [];
    const followed = clusterObjects({
      api,
      machines: emptyCache(RESOURCES.kubevirtMachines),
      withoutClasses: true,
      onBroken: ({ plural }, error) => broken.push(`${plural}: ${String(error)}`),
    });
    const { groups, classes, policies } = followed;
    await until(() => broken.length > 0 || [groups, classes, policies].every(({ live }) => live));
    expect(broken).toEqual([]);
    await followed.stop();
  } finally {
    await cluster.stop();
  }
}, 120_000);
