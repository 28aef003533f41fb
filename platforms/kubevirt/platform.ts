/**
 * VMs of KubeVirt (kubevirt.io): power through the run strategy of a VirtualMachine, its effect from the VirtualMachineInstance. KubeVirt's own
 * controllers do the work.
 *
 * PLATFORM-1, PLATFORM-2: see power-patch.ts. Operations are recorded on the VM itself, so they hold for every process and outlive each. This does
 *     not cover actions besides the patch (next-call.ts): an operation notices that a late action has undone it, and is then repeated.
 * PLATFORM-3: see observe.ts.
 * PLATFORM-4: the scheduler of the cluster places VMs; there is no room to release.
 */
import type { PlacementRequest, PlacementResult, VirtualMachineRef } from '../../contract';
import { listObjects, RESOURCES, resourceCache, type ApiServer, type ResourceCache } from '../../kubernetes';
import { CAPABILITIES } from '../capabilities';
import {
  absentState,
  callsInTurn,
  followed,
  NewestObjects,
  platformError,
  resourceName,
  vmKey,
  type UpdateStep,
} from '../on-kubernetes';
import {
  PlatformError,
  type PlaceOptions,
  type Platform,
  type PowerRequest,
  type ReleaseOptions,
  type VirtualMachineState,
  type WatchSink,
} from '../platform';
import { sleep } from '../sleep';
import { Instances } from './instances';
import { targetKey, targetOf, TrackedNames } from './names';
import {
  trimInstance,
  trimMachine,
  trimNode,
  type KubevirtInstance,
  type KubevirtMachine,
  type KubevirtNode,
} from './objects';
import { replyToPower } from './power-patch';
import { Pursuits } from './pursuits';
import { recordedOperationOf } from './record';
import { Reports } from './reports';

/** What {@link KubevirtPlatform} works with. */
export interface KubevirtOptions {
  api: ApiServer;
  /** The VirtualMachines, shared by every part of the process. The platform does not stop it. */
  machines: ResourceCache<KubevirtMachine>;
  /** Namespaces whose instances are read; absent: all. */
  namespaces?: readonly string[];
  /** VMs are those that manifests name, whose uids are not those of the cluster; `track` names them to the platform. */
  byName?: boolean;
  /** Milliseconds in which something has to happen for an operation that nothing seems to work on; absent: 10 s. */
  patience?: number;
  /** Called if nodes may not be read: then a lost node does not show. */
  onForbidden?: (error: unknown) => void;
  /** Called with each failed try to follow instances or nodes, and the milliseconds until the next one. */
  onBroken?: (error: unknown, retryIn: number) => void;
}

const PATIENCE = 10_000;
/** Milliseconds in which the nodes are listed. */
const NODES_TIMEOUT = 5_000;
const PLACED_BY = 'the scheduler of the cluster places it when it starts';

/** A {@link Platform} on the VMs of KubeVirt. Runs from the start until `close`. */
export class KubevirtPlatform implements Platform {
  readonly name = 'kubevirt';
  readonly capabilities = CAPABILITIES.kubevirt;
  readonly track?: (vms: readonly VirtualMachineRef[]) => void;
  readonly #api: ApiServer;
  readonly #machines: ResourceCache<KubevirtMachine>;
  readonly #instanceCache: ResourceCache<KubevirtInstance>;
  readonly #nodes: ResourceCache<KubevirtNode>;
  readonly #vms: NewestObjects<KubevirtMachine>;
  readonly #instances: Instances;
  readonly #pursuits: Pursuits;
  readonly #reports: Reports;
  readonly #names: TrackedNames | undefined;
  #awaitsNodes = true;

  constructor(options: KubevirtOptions) {
    const { api, machines, byName = false, patience = PATIENCE } = options;
    this.#api = api;
    this.#machines = machines;
    this.#names = byName ? new TrackedNames() : undefined;
    if (byName) this.track = (vms) => this.#track(vms);
    this.#instanceCache = followInstances(options);
    this.#nodes = followNodes(options);
    this.#reports = new Reports(() => ({
      vms: this.#vms,
      instances: this.#instances,
      nodes: this.#nodes,
      pursuits: this.#pursuits,
      names: this.#names,
      patience,
    }));
    const listener = this.#reports;
    const inTurn = callsInTurn(api);
    this.#vms = new NewestObjects({
      api: inTurn,
      cache: machines,
      listener,
      resource: RESOURCES.kubevirtMachines,
      trim: trimMachine,
    });
    this.#instances = new Instances(inTurn, this.#instanceCache, (key) => listener.changed(key));
    this.#pursuits = new Pursuits({
      api: inTurn,
      vms: this.#vms,
      instances: this.#instances,
      changed: (key) => listener.again(key),
    });
    this.#nodes.onChange(({ key: node }) => {
      for (const [key, { status }] of this.#instanceCache.entries())
        if (status.nodeName === node) listener.again(key);
    });
  }

  async watch(sink: WatchSink, signal: AbortSignal): Promise<void> {
    await this.#nodesRead(signal);
    const addSink = (each: WatchSink): (() => void) => this.#reports.addSink(each);
    const caches = [this.#machines, this.#instanceCache];
    await followed(caches, 'VirtualMachines', { sink, addSink }, signal);
  }

  async read(vm: VirtualMachineRef, signal?: AbortSignal): Promise<VirtualMachineState | undefined> {
    const target = this.#target(vm);
    const object = await this.#vms.fetch(target, signal);
    if (!object) return undefined;
    await this.#instances.look(target, signal);
    await this.#nodesRead(signal);
    return this.#stateAs(vm, target);
  }

  /** One that another manifest means too is reported as the VM of that one alone. */
  mayHave(vm: VirtualMachineRef): boolean {
    if (!this.#names) return false;
    const key = targetKey(vm);
    return key === undefined || this.#vms.newest(key) !== undefined;
  }

  async power(request: PowerRequest, signal?: AbortSignal): Promise<VirtualMachineState> {
    const { vm, operation } = request;
    const target = this.#target(vm);
    const key = vmKey(target);
    const object = await this.#vms.current(target, signal);
    if (object && !this.#instanceCache.live) await this.#instances.look(target, signal);
    const accepted = await this.#vms.update(
      target,
      object,
      (version) => this.#powerStep(version, request, key),
      { what: 'run strategy', signal },
    );
    if (accepted !== 'Recorded') return accepted;
    // What the watch showed before may be older than the operation.
    await this.#instances.look(target, signal);
    const newest = this.#vms.newest(key);
    if (newest && recordedOperationOf(newest)?.id === operation.id)
      await this.#pursuits.take(key, operation.id, signal);
    return this.#stateAs(vm, target) ?? absentState(request);
  }

  async place(
    requests: PlacementRequest[],
    _options: PlaceOptions,
    signal?: AbortSignal,
  ): Promise<PlacementResult[]> {
    const there = await this.#listed(
      requests.map(({ vm }) => vm),
      signal,
    );
    return requests.map((request) => this.#placeOf(request, there));
  }

  async release(
    vms: readonly VirtualMachineRef[],
    _options: ReleaseOptions,
    signal?: AbortSignal,
  ): Promise<VirtualMachineRef[]> {
    const there = await this.#listed(vms, signal);
    return vms.filter((vm) => !this.#isIn(there, vm));
  }

  async close(): Promise<void> {
    this.#pursuits.close();
    this.#vms.close();
    this.#instances.close();
    await Promise.all([this.#instanceCache.stop(), this.#nodes.stop()]);
    this.#reports.close();
  }

  /** KUBEVIRT-6: nothing is said of a VM before the nodes were listed once, unless that took too long once. */
  async #nodesRead(signal?: AbortSignal): Promise<void> {
    if (!this.#awaitsNodes) return;
    const over = new AbortController();
    const either = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
    await Promise.race([this.#nodes.synced(), sleep(NODES_TIMEOUT, either)]);
    over.abort();
    if (!signal?.aborted) this.#awaitsNodes = false;
  }

  #powerStep(
    version: KubevirtMachine | undefined,
    request: PowerRequest,
    key: string,
  ): UpdateStep<VirtualMachineState | 'Recorded', KubevirtMachine> {
    const reply = replyToPower(version, this.#instances.get(key), request, this.#vms.now());
    switch (reply.type) {
      case 'Refused':
        throw reply.error;
      case 'Known':
        return { type: 'Done', result: 'Recorded' };
      case 'Absent':
        return { type: 'Done', result: absentState(request) };
      case 'Prepare':
        return reply;
      case 'Patch':
        return { type: 'Patch', patch: reply.patch, result: () => 'Recorded' };
    }
  }

  /** The uids of all VMs in the namespaces of some, by namespace and name. */
  async #listed(
    vms: readonly VirtualMachineRef[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>();
    const resource = RESOURCES.kubevirtMachines;
    try {
      for (const namespace of new Set(vms.map((vm) => this.#target(vm).namespace))) {
        for await (const object of listObjects(this.#api, resource, namespace, signal && { signal }))
          found.set(vmKey(object.metadata), object.metadata.uid ?? '');
      }
    } catch (error: unknown) {
      throw platformError(error, 'list', resourceName(resource));
    }
    return found;
  }

  #isIn(there: ReadonlyMap<string, string>, vm: VirtualMachineRef): boolean {
    const { uid, ...target } = this.#target(vm);
    const found = there.get(vmKey(target));
    return found !== undefined && (uid === undefined || found === uid);
  }

  #placeOf({ vm, optional }: PlacementRequest, there: ReadonlyMap<string, string>): PlacementResult {
    const key = vmKey(this.#target(vm));
    if (this.#isIn(there, vm)) {
      const placement = this.#reports.stateOf(key)?.status.placement;
      return { vm, placement: placement ?? { zoneID: '' }, note: PLACED_BY };
    }
    const message = `there is no VirtualMachine ${key} of KubeVirt: create it, or take it out of the group`;
    if (optional) return { vm, unplaced: message };
    throw new PlatformError('Permanent', message);
  }

  /** The VM that is meant; without uid where manifests name VMs. */
  #target(vm: VirtualMachineRef): { namespace: string; name: string; uid?: string } {
    return this.#names ? targetOf(vm) : vm;
  }

  #stateAs(
    vm: VirtualMachineRef,
    target: { namespace: string; name: string },
  ): VirtualMachineState | undefined {
    if (this.#names && !this.#names.of(vmKey(target))) this.#names.track([vm]);
    const state = this.#reports.stateOf(vmKey(target));
    return state && { ...state, vm };
  }

  #track(vms: readonly VirtualMachineRef[]): void {
    const { added = [], replaced = [] } = this.#names?.track(vms) ?? {};
    for (const vm of replaced) this.#reports.forget(vm);
    for (const key of added) this.#reports.again(key);
  }
}

function followInstances({ api, namespaces, onBroken }: KubevirtOptions): ResourceCache<KubevirtInstance> {
  return resourceCache({
    api,
    resource: RESOURCES.kubevirtInstances,
    trim: trimInstance,
    ...(namespaces && { namespaces }),
    ...(onBroken && { onBroken }),
  });
}

function followNodes({
  api,
  onBroken,
  onForbidden = () => undefined,
}: KubevirtOptions): ResourceCache<KubevirtNode> {
  return resourceCache({
    api,
    resource: RESOURCES.nodes,
    trim: trimNode,
    onForbidden,
    ...(onBroken && { onBroken }),
  });
}
