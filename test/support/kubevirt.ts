/** VMs of KubeVirt on a real API server, with the stand-in for KubeVirt's controllers and its aggregated server. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pMap from 'p-map';
import type { VirtualMachineRef } from '../../contract';
import { connectKubernetes, RESOURCES, type ApiServer, type KubernetesObject } from '../../kubernetes';
import {
  trimInstance,
  trimMachine,
  type KubevirtInstance,
  type KubevirtMachine,
} from '../../platforms/kubevirt';
import {
  KubevirtController,
  kubevirtDefinitions,
  startSubresourceServer,
  type KubevirtControllerOptions,
  type KubevirtDeed,
  type SubresourceServer,
} from '../../simulator';
import { createAuthority } from './certificates';
import { startCluster, type TestCluster } from './kubernetes';
import { until } from './until';

/** What a VM is made with. */
export interface NewMachine {
  runStrategy?: string;
  running?: boolean;
  annotations?: Record<string, string>;
  labels?: Record<string, string>;
  /** Of the template. */
  spec?: object;
}

/** Nodes of the cluster, by the name of their zone. */
const NODES = { 'node-a': 'zone-a', 'node-b': 'zone-b' } as const;

/** A cluster with KubeVirt's stand-in. The test is an administrator. */
export class Kubevirt {
  /** All that the stand-in has done. */
  readonly deeds: KubevirtDeed[] = [];
  readonly errors: unknown[] = [];
  readonly #times: KubevirtControllerOptions['times'];
  readonly #dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-kubevirt-'));
  #server: SubresourceServer | undefined;
  #controller: KubevirtController | undefined;

  private constructor(
    readonly cluster: TestCluster,
    readonly api: ApiServer,
    times: KubevirtControllerOptions['times'],
  ) {
    this.#times = times;
  }

  /** Starts all of it, with a namespace `prod`. `actions` false: the subresources are not served. */
  static async start({
    times,
    args = [],
    actions = true,
  }: {
    times?: KubevirtControllerOptions['times'];
    args?: string[];
    actions?: boolean;
  } = {}): Promise<Kubevirt> {
    const cluster = await startCluster({ args, aggregation: actions });
    const kubevirt = new Kubevirt(cluster, connectKubernetes({ kubeconfig: cluster.kubeconfig() }), times);
    try {
      await kubevirt.#prepare(actions);
    } catch (error: unknown) {
      await kubevirt.stop();
      throw error;
    }
    return kubevirt;
  }

  async #prepare(actions: boolean): Promise<void> {
    for (const definition of kubevirtDefinitions())
      await this.api.create(RESOURCES.customResourceDefinitions, definition);
    for (const resource of [RESOURCES.kubevirtMachines, RESOURCES.kubevirtInstances])
      await until(() => answers(this.api.list(resource)), `${resource.plural} to be served`);
    await this.cluster.run(['create', 'namespace', 'prod']);
    for (const [name, zone] of Object.entries(NODES)) {
      const labels = { 'topology.kubernetes.io/zone': zone };
      await this.api.create(RESOURCES.nodes, { metadata: { name, labels } });
      await this.node(name as keyof typeof NODES, 'True');
    }
    this.startController();
    if (actions) await this.#serveActions();
  }

  /** Starts the stand-in's controllers, again after {@link killController}. */
  startController(): void {
    this.#controller = new KubevirtController({
      api: this.api,
      ...(this.#times && { times: this.#times }),
      onDeed: (deed) => this.deeds.push(deed),
      onError: (error) => this.errors.push(error),
    });
  }

  /** Resolves once what the stand-in does now is in {@link deeds}. */
  async settle(): Promise<void> {
    await this.#controller?.settle();
  }

  /** What they had in memory is lost. */
  async stopController(): Promise<void> {
    await this.#controller?.stop();
    this.#controller = undefined;
  }

  async stop(): Promise<void> {
    await this.stopController();
    await this.#server?.close();
    await this.cluster.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  /** Says of a node whether it is ready, as the node controller does. */
  async node(name: keyof typeof NODES, ready: 'True' | 'False' | 'Unknown'): Promise<void> {
    const conditions = [{ type: 'Ready', status: ready, reason: 'Test', message: '' }];
    await this.api.merge(RESOURCES.nodes, { name }, { status: { conditions } }, { subresource: 'status' });
  }

  /** Makes VMs that are off unless `runStrategy` says otherwise. */
  async make(names: readonly string[], machine: NewMachine = {}): Promise<VirtualMachineRef[]> {
    const { annotations = {}, labels = {}, spec = {}, running, runStrategy } = machine;
    const create = async (name: string): Promise<VirtualMachineRef> => {
      const { metadata } = await this.api.create(RESOURCES.kubevirtMachines, {
        metadata: { namespace: 'prod', name, annotations, labels },
        spec: {
          ...(running === undefined ? { runStrategy: runStrategy ?? 'Halted' } : { running }),
          template: { metadata: {}, spec: { domain: {}, ...spec } },
        },
      });
      return { namespace: 'prod', name, uid: metadata.uid ?? '' };
    };
    return pMap(names, create, { concurrency: 10 });
  }

  async vm(name: string, machine?: NewMachine): Promise<VirtualMachineRef> {
    const [vm] = await this.make([name], machine);
    return vm as VirtualMachineRef;
  }

  async machine(vm: { namespace: string; name: string }): Promise<KubevirtMachine> {
    const object = await this.api.get(RESOURCES.kubevirtMachines, vm);
    if (!object) throw new Error(`there is no VM ${vm.name}`);
    return trimMachine(object);
  }

  async instance(vm: { namespace: string; name: string }): Promise<KubevirtInstance | undefined> {
    const object = await this.api.get(RESOURCES.kubevirtInstances, vm);
    return object && trimInstance(object);
  }

  merge(vm: { namespace: string; name: string }, patch: object): Promise<KubernetesObject> {
    return this.api.merge(RESOURCES.kubevirtMachines, vm, patch);
  }

  annotate(
    vm: { namespace: string; name: string },
    annotations: Record<string, string | null>,
  ): Promise<unknown> {
    return this.merge(vm, { metadata: { annotations } });
  }

  /** Acts as a person with virtctl does. */
  act(
    vm: { namespace: string; name: string },
    action: 'start' | 'stop' | 'restart' | 'pause' | 'unpause',
    body: object = {},
  ): Promise<void> {
    const onInstance = action === 'pause' || action === 'unpause';
    const resource = onInstance ? RESOURCES.kubevirtInstanceActions : RESOURCES.kubevirtMachineActions;
    return this.api.invoke(resource, vm, action, body);
  }

  /** Waits for a phase of the instance; undefined: there is none. */
  async untilPhase(vm: { namespace: string; name: string }, phase: string | undefined): Promise<void> {
    await until(
      async () => (await this.instance(vm))?.status.phase === phase,
      `${vm.name} to be ${phase ?? 'without an instance'}`,
    );
  }

  async #serveActions(): Promise<void> {
    const authority = createAuthority(this.#dir);
    const [cert, key] = ['server.crt', 'server.key'].map((name) => path.join(this.#dir, name)) as [
      string,
      string,
    ];
    authority.issue(cert, key);
    this.#server = await startSubresourceServer({
      api: this.api,
      controller: () => this.#controller as KubevirtController,
      cert: readFileSync(cert, 'utf8'),
      key: readFileSync(key, 'utf8'),
    });
    const apiServices = {
      group: 'apiregistration.k8s.io',
      version: 'v1',
      plural: 'apiservices',
      kind: 'APIService',
      namespaced: false,
    };
    await until(
      async () => {
        const object = await this.api.get(apiServices, { name: 'v1.subresources.kubevirt.io' });
        const { conditions = [] } = (object?.status ?? {}) as {
          conditions?: { type: string; status: string }[];
        };
        return conditions.some(({ type, status }) => type === 'Available' && status === 'True');
      },
      'the APIService to be available',
      { seconds: 90 },
    );
  }
}

async function answers(call: Promise<unknown>): Promise<boolean> {
  return call.then(
    () => true,
    () => false,
  );
}
