/**
 * Stands in for KubeVirt: its controllers, scheduler, kubelet and virt-handler, on the VMs of an API server. The other files say what happens.
 *
 * KUBEVIRT-STANDIN-8: all that it goes by is on the API server, apart from how long a phase takes: a process that starts begins the present phase
 *     again.
 */
import {
  KubernetesError,
  RESOURCES,
  resourceCache,
  WorkQueue,
  type ApiServer,
  type KubernetesObject,
  type ResourceCache,
} from '../../kubernetes';
import type { PowerState } from '../../api';
import type { VirtualMachineRef } from '../../contract';
import {
  recordedOperation,
  trimInstance,
  trimMachine,
  trimNode,
  type KubevirtInstance,
  type KubevirtMachine,
  type KubevirtNode,
} from '../../platforms/kubevirt';
import { FINALIZER, type Action, type Facts, type Times } from './facts';
import { reactionOfInstance } from './instance';
import { statusPatch } from './machine-status';
import { reactionToStrategy } from './strategy';

/** What it did. */
export type KubevirtDeed =
  /** It began to bring a VM somewhere; `request`: the operation on the VM that asks for just that. */
  | { type: 'Began'; vm: VirtualMachineRef; to: PowerState; request?: string }
  | { type: 'Effect'; vm: VirtualMachineRef; effect: PowerState };

/** What a {@link KubevirtController} works with. */
export interface KubevirtControllerOptions {
  api: ApiServer;
  times?: Partial<Times>;
  /** Called after each deed. */
  onDeed?: (deed: KubevirtDeed) => void;
  onError?: (error: unknown, about: string) => void;
}

const TIMES: Times = { start: 150, shutdown: 50, backOff: 10 };
/** VMs that are worked on at the same time. */
const CONCURRENCY = 16;
/** Milliseconds before what failed is tried again. */
const RETRY = 200;
/** A node where the API server has none. */
const NO_NODE = 'node-1';

/** Runs from the start until `stop`. */
export class KubevirtController {
  readonly #options: KubevirtControllerOptions;
  readonly #machines: ResourceCache<KubevirtMachine>;
  readonly #instances: ResourceCache<KubevirtInstance>;
  readonly #nodes: ResourceCache<KubevirtNode>;
  readonly #queue: WorkQueue;
  readonly #working = new Set<Promise<void>>();
  /** By uid of an instance. */
  readonly #since = new Map<string, { phase: string | undefined; at: number; deletion: number }>();

  constructor(options: KubevirtControllerOptions) {
    const { api, onError = () => undefined } = options;
    this.#options = options;
    const follow = { api, onListenerError: (error: unknown) => onError(error, 'a listener') };
    this.#machines = resourceCache({ ...follow, resource: RESOURCES.kubevirtMachines, trim: trimMachine });
    this.#instances = resourceCache({ ...follow, resource: RESOURCES.kubevirtInstances, trim: trimInstance });
    this.#nodes = resourceCache({ ...follow, resource: RESOURCES.nodes, trim: trimNode });
    this.#queue = new WorkQueue({
      concurrency: CONCURRENCY,
      work: (key) => this.#work(key),
      onError: (key, error) => onError(error, key),
      pause: () => RETRY,
    });
    this.#machines.onChange(({ key }) => this.#queue.add(key));
    this.#instances.onChange(({ key }) => this.#queue.add(key));
    this.#nodes.onChange(() => {
      for (const [key] of this.#instances.entries()) this.#queue.add(key);
    });
  }

  async synced(): Promise<void> {
    await Promise.all([this.#machines, this.#instances, this.#nodes].map((cache) => cache.synced()));
  }

  async stop(): Promise<void> {
    await Promise.all([this.#machines, this.#instances, this.#nodes].map((cache) => cache.stop()));
    await this.#queue.stop();
  }

  /** Resolves once what is being done now is done, and noted. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#working);
  }

  async #work(key: string): Promise<void> {
    const working = this.#reconcile(key);
    this.#working.add(working);
    await working.finally(() => this.#working.delete(working));
  }

  async #reconcile(key: string): Promise<void> {
    await this.synced();
    const vm = this.#machines.get(key);
    const vmi = this.#instances.get(key);
    if (!vm) return this.#deleteOrphan(vmi);
    try {
      if (!vm.metadata.finalizers?.includes(FINALIZER) && vm.metadata.deletionTimestamp === undefined)
        return await this.#perform(vm, vmi, {
          type: 'patchMachine',
          patch: { metadata: { finalizers: [FINALIZER] } },
        });
      await this.#react(key, vm, vmi);
    } catch (error: unknown) {
      // The watch brings the newer version.
      if (error instanceof KubernetesError && (error.isConflict || error.isNotFound)) return;
      throw error;
    }
  }

  async #react(key: string, vm: KubevirtMachine, vmi: KubevirtInstance | undefined): Promise<void> {
    const facts = this.#facts(vm, vmi);
    const strategy = reactionToStrategy(facts);
    const instance = reactionOfInstance(facts);
    const status = statusPatch(facts);
    const isDeleting = vmi?.metadata.deletionTimestamp !== undefined;
    const actions = [
      ...strategy.actions.filter(({ type }) => !(isDeleting && type === 'deleteInstance')),
      ...instance.actions,
      ...(status ? [{ type: 'patchMachineStatus', patch: status } as const] : []),
    ];
    for (const action of actions) await this.#perform(vm, vmi, action);
    const wakeAt = Math.min(strategy.wakeAt ?? Infinity, instance.wakeAt ?? Infinity);
    if (wakeAt !== Infinity) this.#queue.add(key, Math.max(wakeAt - Date.now(), 1));
  }

  #facts(vm: KubevirtMachine, vmi: KubevirtInstance | undefined): Facts {
    const now = Date.now();
    const { times } = this.#options;
    const ready = [...this.#nodes.entries()].filter(([, node]) => node.ready).map(([name]) => name);
    const { nodeName } = vmi?.status ?? {};
    return {
      vm,
      vmi,
      now,
      since: this.#sinceOf(vmi, now),
      nodeLost: nodeName !== undefined && this.#nodes.get(nodeName)?.ready === false,
      node: ready[vm.metadata.name.length % Math.max(ready.length, 1)] ?? NO_NODE,
      times: { ...TIMES, ...times },
    };
  }

  #sinceOf(vmi: KubevirtInstance | undefined, now: number): Facts['since'] {
    if (!vmi) return { phase: now, deletion: now };
    const { uid = '', deletionTimestamp } = vmi.metadata;
    const { phase } = vmi.status;
    const known = this.#since.get(uid);
    const at = known && known.phase === phase ? known.at : now;
    const deletion = deletionTimestamp === undefined ? Infinity : Math.min(known?.deletion ?? now, now);
    this.#since.set(uid, { phase, at, deletion });
    return { phase: at, deletion };
  }

  /** Acts on the versions that were seen: after any change in between it is a conflict. */
  async #perform(vm: KubevirtMachine, vmi: KubevirtInstance | undefined, action: Action): Promise<void> {
    const { api } = this.#options;
    const { namespace = '', name } = vm.metadata;
    const key = { namespace, name };
    switch (action.type) {
      case 'patchMachine':
        return void (await api.merge(RESOURCES.kubevirtMachines, key, versioned(vm, action.patch)));
      case 'patchMachineStatus':
        await api.merge(RESOURCES.kubevirtMachines, key, versioned(vm, { status: action.patch }), {
          subresource: 'status',
        });
        return;
      case 'createInstance':
        await api.create(RESOURCES.kubevirtInstances, newInstance(vm));
        return this.#began(vm, 'PoweredOn');
      case 'deleteInstance': {
        const { uid } = vmi?.metadata ?? {};
        if (uid === undefined) return;
        await api.delete(RESOURCES.kubevirtInstances, { ...key, uid });
        return this.#began(vm, 'PoweredOff');
      }
      case 'patchInstance':
        if (!vmi) return;
        await api.merge(RESOURCES.kubevirtInstances, key, versioned(vmi, action.patch));
        if (action.effect) this.effect(vm, action.effect);
    }
  }

  /** Notes an effect, such as that of an action of the subresource server. */
  effect(vm: KubevirtMachine, effect: PowerState): void {
    this.#options.onDeed?.({ type: 'Effect', vm: refOf(vm), effect });
  }

  /** Notes that a VM is brought somewhere. */
  began(vm: KubevirtMachine, to: PowerState): void {
    this.#began(vm, to);
  }

  #began(vm: KubevirtMachine, to: PowerState): void {
    const recorded = recordedOperation(vm);
    const request = recorded?.powerState === to ? recorded.id : undefined;
    this.#options.onDeed?.({ type: 'Began', vm: refOf(vm), to, ...(request !== undefined && { request }) });
  }

  /** Its VM was deleted without waiting for it. */
  async #deleteOrphan(vmi: KubevirtInstance | undefined): Promise<void> {
    if (!vmi) return;
    const { namespace = '', name, uid = '' } = vmi.metadata;
    const { api } = this.#options;
    if (vmi.metadata.finalizers?.length)
      await api.merge(RESOURCES.kubevirtInstances, { namespace, name }, { metadata: { finalizers: [] } });
    await api.delete(RESOURCES.kubevirtInstances, { namespace, name, uid });
    this.#since.delete(uid);
  }
}

function versioned({ metadata: { resourceVersion } }: KubernetesObject, patch: object): object {
  const { metadata, ...rest } = patch as { metadata?: object };
  return { ...rest, metadata: { resourceVersion, ...metadata } };
}

function newInstance({ metadata, spec }: KubevirtMachine): KubernetesObject {
  const { namespace = '', name, uid = '' } = metadata;
  return {
    metadata: {
      namespace,
      name,
      finalizers: [FINALIZER],
      ownerReferences: [
        { apiVersion: 'kubevirt.io/v1', kind: 'VirtualMachine', name, uid, controller: true },
      ],
    },
    spec: { ...spec.template?.spec },
    status: {},
  };
}

function refOf({ metadata: { namespace = '', name, uid = '' } }: KubernetesObject): VirtualMachineRef {
  return { namespace, name, uid };
}
