/**
 * The product on a real API server and a real Temporal server, in one process. VMs are those of the simulated platform: reached directly, or
 * through the API server, on which it then stands in for VM Operator's VM controller.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { Registry } from 'prom-client';
import { DEFAULT_INVENTORY } from '../../api';
import type { BridgeEvent, GroupView } from '../../bridge';
import {
  openPlatform,
  startClusterBridge,
  watchCluster,
  type RunningBridge,
  type RunningPlatform,
  type WatchedCluster,
} from '../../cli/runtime';
import {
  connectKubernetes,
  RESOURCES,
  type ApiServer,
  type KubernetesObject,
  type Resource,
} from '../../kubernetes';
import { SimulatorConsole, type JournalLine } from '../../platforms/simulated';
import { GroupController, startSimulator, VmController } from '../../simulator';
import { startWorker } from '../../worker';
import { startFaultProxy, type FaultProxy } from './fault-proxy';
import { startCluster, type ClusterUser, type TestCluster } from './kubernetes';
import type { Behavior } from './manifests';
import { startTemporal, type TestTemporal } from './temporal';
import { until } from './until';
import { workflowBundle } from './workflow-bundle';

/** Quick VMs: a test should not wait for what it does not test. */
const QUICK: Behavior = { powerOnTime: 150, readyTime: 50, powerOffTime: 100, guestShutdownTime: 100 };
const root = path.join(__dirname, '../..');

/** One bridge on the cluster, with what it told. */
export interface ClusterBridge extends RunningBridge {
  events: BridgeEvent[];
  registry: Registry;
}

export interface ClusterSystem {
  cluster: TestCluster;
  temporal: TestTemporal;
  api: ApiServer;
  console: SimulatorConsole;
  /** Address of the simulator. */
  simulator: string;
  /** Where the product is {@link ClusterSystemOptions.proxied}. */
  proxy?: FaultProxy;
  /** Starts one more bridge; `kubeconfig` if it connects through a proxy or as another user. */
  startBridge(kubeconfig?: string, leaseNamespace?: string): Promise<ClusterBridge>;
  /** Runs kubectl; fails where it does. */
  kubectl(args: string[], input?: string): Promise<string>;
  /** Applies manifests, and makes their namespace. */
  apply(namespace: string, text: string): Promise<void>;
  journal(): Promise<JournalLine[]>;
  get(resource: Resource, namespace: string, name: string): Promise<KubernetesObject | undefined>;
  /** `status` of a group as the API server has it. */
  status(namespace: string, name: string): Promise<GroupStatusOnServer | undefined>;
  /** Waits as a user does until a group is `Ready`, 60 s at most by default; if it does not become so, the error has its status. */
  ready(namespace: string, name: string, seconds?: number): Promise<void>;
  /** {@link until}, 60 s at most. */
  until<T>(look: () => T | Promise<T>, saying: string): Promise<Exclude<T, undefined | false>>;
  stop(): Promise<void>;
}

/** What tests read of a group's status. */
export type GroupStatusOnServer = GroupView['status'] & {
  phase: string;
  message: string;
  readyMembers: string;
  run?: { workflowId: string; runId: string; startTime: string; endTime?: string; outcome?: string };
};

/** What {@link startClusterSystem} may be told. */
export interface ClusterSystemOptions {
  behavior?: Behavior;
  platform?: 'simulated' | 'vm-operator';
  /** Further arguments of the API server. */
  args?: string[];
  /**
   * The stand-in for VM Operator's group controller acts too, and worker and bridges run alongside it, as a user and in namespaces of their own; both
   * are those of an administrator in all namespaces if they are absent.
   */
  companion?: { user?: ClusterUser; namespaces?: string[] };
  /** The cluster has no definition of `vmgroup.dev`. */
  vmOperatorOnly?: boolean;
  /** Runs once the cluster is there, before anything of the product starts. */
  prepare?: (cluster: TestCluster) => Promise<unknown>;
  /** Worker and bridges reach the API server through {@link ClusterSystem.proxy}; what plays VM Operator, and the test, do not. */
  proxied?: boolean;
}

/** Starts everything but a bridge. */
export async function startClusterSystem(options: ClusterSystemOptions = {}): Promise<ClusterSystem> {
  const { behavior = {}, platform: kind = 'simulated', args = [], proxied = false, companion } = options;
  const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-cluster-system-'));
  const logger = pino({ level: process.env['TEST_LOG'] ?? 'silent' });
  const [cluster, temporal] = await Promise.all([startCluster({ args }), startTemporal()]);
  const zones = path.join(root, 'deploy/simulator/crd-zones.yaml');
  const more = kind === 'vm-operator' ? [zones] : [];
  await (options.vmOperatorOnly ? cluster.defineVmOperatorOnly(...more) : cluster.define(...more));
  await options.prepare?.(cluster);
  const inventory = {
    ...DEFAULT_INVENTORY,
    behavior: { ...DEFAULT_INVENTORY.behavior, ...QUICK, ...behavior },
  };
  const simulator = await startSimulator({ dataDir: path.join(dir, 'simulator'), inventory });
  const api = connectKubernetes({ kubeconfig: cluster.kubeconfig() });
  const closers: (() => Promise<unknown>)[] = [];
  if (kind === 'vm-operator') {
    const controller = new VmController({ api, machine: simulator.machine });
    closers.push(() => controller.stop());
  }
  if (companion) {
    const groups = new GroupController({ api, machine: simulator.machine });
    closers.push(() => groups.stop());
  }

  /** A watch of its own, as a process of its own has it. */
  function openOwnPlatform(watchedCluster: WatchedCluster): RunningPlatform {
    return openPlatform(
      { platform: kind, simulator: simulator.address, cluster: watchedCluster, watchOnly: false },
      logger,
    );
  }

  const proxy = proxied ? await startFaultProxy(cluster.kubeconfig()) : undefined;
  const ours = proxy?.kubeconfig ?? cluster.kubeconfig(companion?.user);
  const watchNamespaces = companion?.namespaces ?? [];
  const followedByWorker = watchCluster({ kubeconfig: ours, watchNamespaces }, logger, Boolean(companion));
  const platform = openOwnPlatform(followedByWorker);
  const taskQueue = `test-${path.basename(dir)}`;
  const worker = await startWorker({
    target: {
      address: temporal.address,
      namespace: 'default',
      connectionOptions: { address: temporal.address },
    },
    workflows: await workflowBundle(),
    taskQueue,
    platform: platform.platform,
    observer: platform.observer,
    client: temporal.client,
    logger,
  });
  const console = new SimulatorConsole(simulator.address);

  async function startBridge(kubeconfig = ours, leaseNamespace = 'default'): Promise<ClusterBridge> {
    const followed: WatchedCluster = watchCluster(
      { kubeconfig, watchNamespaces },
      logger,
      Boolean(companion),
    );
    const watched = openOwnPlatform(followed);
    const events: BridgeEvent[] = [];
    const registry = new Registry();
    const bridge = await startClusterBridge({
      cluster: followed,
      options: { leaseNamespace, watchNamespaces },
      placesAhead: kind === 'vm-operator' && !companion,
      client: temporal.client,
      taskQueue,
      observers: { byDefault: watched.observer },
      logger,
      registry,
      onEvent: (event) => events.push(event),
    });
    let stopped: Promise<void> | undefined;
    const stop = (): Promise<void> =>
      (stopped ??= (async () => {
        await bridge.stop();
        await watched.close();
        await followed.close();
      })());
    closers.push(stop);
    return { ...bridge, events, registry, stop };
  }

  const get: ClusterSystem['get'] = (resource, namespace, name) => api.get(resource, { namespace, name });
  const status: ClusterSystem['status'] = async (namespace, name) => {
    const object = await get(RESOURCES.virtualMachineGroups, namespace, name);
    return object?.status as GroupStatusOnServer | undefined;
  };
  return {
    cluster,
    temporal,
    api,
    console,
    simulator: simulator.address,
    ...(proxy && { proxy }),
    startBridge,
    kubectl: (args, input) => cluster.run(args, input),
    apply: async (namespace, text) => {
      await cluster.kubectl(['create', 'namespace', namespace]);
      await cluster.run(['apply', '--server-side', '--validate=strict', '-f', '-'], text);
    },
    journal: () => console.journal(),
    get,
    status,
    ready: async (namespace, name, seconds = 60) => {
      const key = ['-n', namespace, `vmg/${name}`];
      const ended = await cluster.kubectl(['wait', '--for=condition=Ready', `--timeout=${seconds}s`, ...key]);
      if (ended.code === 0) return;
      const shown = JSON.stringify(await status(namespace, name), undefined, 2);
      throw new Error(`${namespace}/${name}: ${ended.stderr}; its status: ${shown}`);
    },
    until: (look, saying) => until(look, saying, { seconds: 60, every: 50 }),
    stop: async () => {
      for (const close of closers.reverse()) await close();
      await worker.shutdown();
      await platform.close();
      await followedByWorker.close();
      await simulator.close();
      console.close();
      await proxy?.close();
      await Promise.all([temporal.stop(), cluster.stop()]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
