/**
 * A group of VMs of KubeVirt: members by label, three tiers, every run strategy. In one process, with a real API server, the stand-in for KubeVirt, and
 * a real Temporal server. Worker and bridge have the rights that `deploy/kubevirt` gives them.
 *
 * Guarantees: G5, G8, G11.
 */
import path from 'node:path';
import pino from 'pino';
import { Registry } from 'prom-client';
import { openPlatform, startClusterBridge, watchKubevirt } from '../../cli/runtime';
import { RESOURCES } from '../../kubernetes';
import { startWorker } from '../../worker';
import { rendered } from '../support/deploy';
import { Kubevirt } from '../support/kubevirt';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';
import { workflowBundle } from '../support/workflow-bundle';

const CRDS = path.join(__dirname, '../../deploy/crds');
const GROUP = { namespace: 'prod', name: 'shop' };
const RIGHTS = /^(Namespace|ServiceAccount|(Cluster)?Role(Binding)?)$/;
const LABELS = { 'vmgroup.dev/group': 'shop' };

let kubevirt: Kubevirt;
let temporal: TestTemporal;
const closers: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  [kubevirt, temporal] = await Promise.all([
    Kubevirt.start({ times: { start: 100, shutdown: 50 } }),
    startTemporal(),
  ]);
  const files = ['virtualmachinegroups', 'sequencepolicies'].flatMap((name) => [
    '-f',
    path.join(CRDS, `${name}.yaml`),
  ]);
  await kubevirt.cluster.run(['apply', '--server-side', ...files]);
  await kubevirt.cluster.run(['wait', '--for=condition=Established', '--timeout=30s', ...files]);
  const rights = (await rendered('kubevirt')).filter(({ kind }) => RIGHTS.test(kind));
  const text = rights.map((object) => JSON.stringify(object)).join('\n---\n');
  await kubevirt.cluster.run(['apply', '--server-side', '-f', '-'], text);
  await startProduct();
}, 240_000);
afterAll(async () => {
  for (const close of closers.reverse()) await close();
  await Promise.all([temporal.stop(), kubevirt.stop()]);
});

async function startProduct(): Promise<void> {
  const logger = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
  const optionsOf = (process: 'bridge' | 'worker'): { kubeconfig: string; watchNamespaces: string[] } => ({
    kubeconfig: kubevirt.cluster.kubeconfig(`system:serviceaccount:vmgroup-system:vmgroup-${process}`),
    watchNamespaces: ['prod'],
  });
  const cluster = watchKubevirt(optionsOf('bridge'), logger);
  const workersCluster = watchKubevirt(optionsOf('worker'), logger);
  const opened = { platform: 'kubevirt', simulator: '' } as const;
  const platform = openPlatform({ ...opened, cluster: workersCluster, watchOnly: false }, logger);
  const watched = openPlatform({ ...opened, cluster, watchOnly: true }, logger);
  const taskQueue = 'kubevirt';
  const worker = await startWorker({
    target: {
      address: temporal.address,
      namespace: 'default',
      connectionOptions: { address: temporal.address },
    },
    workflows: await workflowBundle(),
    taskQueue,
    client: temporal.client,
    logger,
    platform: platform.platform,
    observer: platform.observer,
  });
  const bridge = await startClusterBridge({
    cluster,
    client: temporal.client,
    taskQueue,
    logger,
    options: { ...optionsOf('bridge'), leaseNamespace: 'vmgroup-system' },
    observers: { byDefault: watched.observer },
    registry: new Registry(),
  });
  closers.push(
    () => cluster.close(),
    () => workersCluster.close(),
    () => watched.close(),
    () => platform.close(),
    () => worker.shutdown(),
    () => bridge.stop(),
  );
}

async function untilConverged(): Promise<void> {
  await until(async () => {
    const group = await kubevirt.api.get(RESOURCES.virtualMachineGroups, GROUP);
    const { observedGeneration, phase: is } = (group?.status ?? {}) as {
      observedGeneration?: number;
      phase?: string;
    };
    return is === 'Converged' && observedGeneration === group?.metadata.generation;
  }, 'the group to converge');
}

/** Names of VMs in the order in which they came into a state. */
function arrivals(effect: string): string[] {
  return kubevirt.deeds.flatMap((deed) =>
    deed.type === 'Effect' && deed.effect === effect ? [deed.vm.name] : [],
  );
}

test('three tiers come up in order, and go off again, each VM with the strategy that it had', async () => {
  const strategies = { db: 'Halted', cache: 'Manual', app: 'Halted', web: 'Halted', front: 'Halted' };
  for (const [name, runStrategy] of Object.entries(strategies))
    await kubevirt.vm(name, { runStrategy, labels: LABELS });
  const tiers = [['db'], ['cache', 'app'], ['web', 'front']];
  await kubevirt.api.create(RESOURCES.virtualMachineGroups, {
    metadata: GROUP,
    spec: {
      powerState: 'PoweredOn',
      bootOrder: tiers.map((names) => ({ members: names.map((name) => ({ name })) })),
    },
  });
  await untilConverged();
  const came = arrivals('PoweredOn');
  expect(came[0]).toBe('db');
  expect(came.slice(1, 3).sort()).toEqual(['app', 'cache']);
  expect(came.slice(3).sort()).toEqual(['front', 'web']);
  await kubevirt.merge({ namespace: 'prod', name: 'web' }, { spec: { runStrategy: 'RerunOnFailure' } });
  await kubevirt.merge({ namespace: 'prod', name: 'front' }, { spec: { runStrategy: 'Once' } });
  for (const powerState of ['PoweredOff', 'PoweredOn']) {
    await kubevirt.api.merge(RESOURCES.virtualMachineGroups, GROUP, { spec: { powerState } });
    await untilConverged();
  }
  const kept = await Promise.all(
    Object.keys(strategies).map(
      async (name) => (await kubevirt.machine({ namespace: 'prod', name })).spec.runStrategy,
    ),
  );
  expect(kept).toEqual(['Always', 'Manual', 'Always', 'RerunOnFailure', 'Once']);
  const { metadata } = await kubevirt.machine({ namespace: 'prod', name: 'db' });
  expect(metadata.ownerReferences).toBeUndefined();
});
