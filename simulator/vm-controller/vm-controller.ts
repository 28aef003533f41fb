/**
 * Stands in for VM Operator's VM controller: follows the VirtualMachines of an API server, lets the simulated platform do what they ask
 * for, and writes their status. {@link reactionTo} says what happens to a VM.
 *
 * STANDIN-1: nothing is done twice, even if this process is killed at any moment: the journal has what was accepted, and each reaction starts
 *     from it.
 * STANDIN-2: one piece of work at a time for a VM, and a bounded number of VMs at once. No VM waits for the power operation of another.
 * STANDIN-3: nothing is written when nothing changed, and changes of others to the status are overwritten.
 * STANDIN-4: an object that cannot be handled, or an API server that fails, does not stop the work on other VMs.
 */
import { hostname } from 'node:os';
import { readResource } from '../../api';
import type { VirtualMachineRef } from '../../contract';
import {
  EventWriter,
  KubernetesError,
  RESOURCES,
  resourceCache,
  virtualMachineCache,
  WorkQueue,
  type ApiServer,
  type CacheChange,
  type KubernetesObject,
  type ResourceCache,
  type VirtualMachineObject,
} from '../../kubernetes';
import { VM_CONTROLLER } from '../../platforms/simulated';
import { keyOf } from '../engine';
import type { Machine } from '../machine';
import { GUEST_PATIENCE, type Failure, type Size } from './facts';
import { isWokenBy, membersOfGroup, type GroupMembers } from './group-members';
import { SIMULATOR_FIELD_MANAGER, VmReconciler } from './vm-reconciler';
import { ZonePublisher } from './zone-publisher';

/** What a {@link VmController} works with. */
export interface VmControllerOptions {
  api: ApiServer;
  /** Absent: all namespaces. */
  namespaces?: readonly string[];
  machine: Machine;
  /** Called when a call to the API server failed; it is retried. `about` names the object, or the list. */
  onError?: (error: unknown, about: string) => void;
  /** Milliseconds that the guest gets to shut down; absent: VM Operator's five minutes. */
  guestPatience?: number;
}

/** VMs that are worked on at the same time. */
const CONCURRENCY = 32;
/** Milliseconds between two writes of one Event. */
const EVENT_PAUSE = 2_000;
/** Milliseconds before a write that the API server refused is tried again. */
const WRITE_RETRY = 1_000;

/** Runs from the start until `stop`; waits for an API server that is down. */
export class VmController {
  readonly #api: ApiServer;
  readonly #namespaces: readonly string[] | undefined;
  readonly #machine: Machine;
  readonly #onError: (error: unknown, about: string) => void;
  readonly #machines: ResourceCache<VirtualMachineObject>;
  readonly #groups: ResourceCache<GroupMembers>;
  readonly #classes: ResourceCache<Size>;
  readonly #events: EventWriter;
  readonly #reconciler: VmReconciler;
  readonly #zones: ZonePublisher;
  readonly #queue: WorkQueue;
  /** By namespace: how many groups and VMs it has. */
  readonly #objectsIn = new Map<string, number>();
  readonly #subscriptions: (() => void)[];
  readonly #started: Promise<void>;
  #stopped = false;

  constructor(options: VmControllerOptions) {
    const { api, namespaces, machine, onError = () => undefined, guestPatience = GUEST_PATIENCE } = options;
    this.#api = api;
    this.#namespaces = namespaces;
    this.#machine = machine;
    this.#onError = onError;
    const caches = cachesOf(options, onError);
    this.#machines = caches.machines;
    this.#groups = caches.groups;
    this.#classes = caches.classes;
    // VM Operator too reports the causes of failures in Events on the VM.
    this.#events = new EventWriter({
      api,
      controller: 'vmgroup.dev/simulator',
      instance: `${hostname().slice(0, 100)}-${process.pid}`,
      pause: EVENT_PAUSE,
      onError: (error) => onError(error, 'events'),
    });
    this.#reconciler = new VmReconciler({
      api,
      machine,
      guestPatience,
      group: (key) => this.#groups.get(key),
      size: (key) => this.#classes.get(key),
      onFailure: (object, failure) => this.#writeEvent(object, failure),
    });
    this.#zones = new ZonePublisher({
      api,
      fieldManager: SIMULATOR_FIELD_MANAGER,
      inventory: () => machine.inventory,
      ...(namespaces && { namespaces }),
      isUsed: (namespace) => this.#objectsIn.has(namespace),
      onError: (error, namespace) => onError(error, `zones of namespace ${namespace}`),
    });
    this.#queue = new WorkQueue({
      concurrency: CONCURRENCY,
      work: (key) => this.#work(key),
      onError: (key, error) => onError(error, `VirtualMachine ${key}`),
    });
    this.#subscriptions = [
      this.#machines.onChange((change) => this.#countObject(change)),
      this.#groups.onChange((change) => this.#countObject(change)),
      this.#machines.onChange((change) => this.#machineChanged(change)),
    ];
    const synced = [this.#machines.synced(), this.#groups.synced(), this.#classes.synced()];
    this.#started = Promise.all(synced).then(() => this.#start());
  }

  /** Resolves once every VM was seen; at `stop` too. */
  synced(): Promise<void> {
    return this.#started;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const end of this.#subscriptions) end();
    const followed = [this.#machines, this.#groups, this.#classes, this.#zones];
    await Promise.all(followed.map((each) => each.stop()));
    await Promise.all([this.#queue.stop(), this.#events.stop()]);
  }

  #start(): void {
    if (this.#stopped) return;
    this.#subscriptions.push(
      this.#groups.onChange((change) => this.#groupChanged(change)),
      this.#classes.onChange(({ key }) => this.#classChanged(key)),
      this.#machine.watch({
        changed: ({ vm }) => this.#queue.add(keyOf(vm)),
        deleted: (vm) => this.#queue.add(keyOf(vm)),
        inventoryChanged: () => [...this.#objectsIn.keys()].forEach((each) => this.#zones.ensure(each)),
      }).end,
    );
    for (const [key] of this.#machines.entries()) this.#queue.add(key);
    for (const vm of this.#machine.placedBy(VM_CONTROLLER))
      if (this.#isWatched(vm)) this.#queue.add(keyOf(vm));
  }

  #isWatched({ namespace }: VirtualMachineRef): boolean {
    return this.#namespaces?.includes(namespace) ?? true;
  }

  // ---- What wakes a VM ----------------------------------------------------------------------------------------------------------

  #countObject({ key, object, previous }: CacheChange<unknown>): void {
    const [namespace = ''] = key.split('/', 1);
    const count = (this.#objectsIn.get(namespace) ?? 0) + (object ? 1 : 0) - (previous ? 1 : 0);
    if (count > 0) this.#objectsIn.set(namespace, count);
    else this.#objectsIn.delete(namespace);
    if (count === 1 && object) this.#zones.ensure(namespace);
  }

  #machineChanged({ key, object }: CacheChange<VirtualMachineObject>): void {
    if (object) this.#reconciler.observed(key, object);
    void this.#started.then(() => this.#queue.add(key));
  }

  #groupChanged({ key, object }: CacheChange<GroupMembers>): void {
    const [namespace = '', group] = key.split('/');
    for (const [name, member] of object?.members ?? []) {
      const vm = this.#machines.get(`${namespace}/${name}`);
      if (vm?.spec.groupName === group && vm && isWokenBy(member, vm)) this.#wake(`${namespace}/${name}`);
    }
  }

  #classChanged(changed: string): void {
    for (const [key, { metadata, spec, status }] of this.#machines.entries())
      if (status.uniqueID === undefined && `${metadata.namespace}/${spec.className}` === changed)
        this.#wake(key);
  }

  #wake(key: string): void {
    this.#reconciler.endBackOff(key);
    this.#queue.add(key);
  }

  // ---- Work on one VM -----------------------------------------------------------------------------------------------------------

  /** STANDIN-4. */
  async #work(key: string): Promise<void> {
    try {
      const object = this.#machines.get(key);
      await this.#deleteOrphan(key, object);
      if (!object) return this.#reconciler.forget(key);
      const at = await this.#reconciler.reconcile(key, object);
      if (at !== Infinity) this.#queue.add(key, Math.max(at - Date.now(), 1));
    } catch (error: unknown) {
      // The object has changed: the watch brings its new version.
      if (error instanceof KubernetesError && (error.isConflict || error.isNotFound)) return;
      this.#onError(error, `VirtualMachine ${key}`);
      const retryAfter = error instanceof KubernetesError ? (error.retryAfter ?? 0) : 0;
      this.#queue.add(key, Math.max(WRITE_RETRY, retryAfter));
    }
  }

  /** Deletes the VM of this name whose object is gone: it was deleted without the finalizer, or while no controller ran. */
  async #deleteOrphan(key: string, object: VirtualMachineObject | undefined): Promise<void> {
    const [namespace = '', name = ''] = key.split('/');
    const found = this.#machine.named({ namespace, name });
    if (!found || found.placedBy !== VM_CONTROLLER || found.vm.uid === object?.metadata.uid) return;
    // The cache leaves out an object that it cannot read, but the object exists.
    const present = object ?? (await this.#api.get(RESOURCES.virtualMachines, { namespace, name }));
    if (present?.metadata.uid !== found.vm.uid) await this.#machine.delete(found.vm, VM_CONTROLLER);
  }

  #writeEvent(object: VirtualMachineObject, { reason, message }: Failure): void {
    const action = reason === 'CreateFailure' ? 'Create' : 'Update';
    const about = { action, note: message, subject: message, at: Date.now() };
    this.#events.write(object, { type: 'Warning', reason, ...about });
  }
}

/** The caches of what the controller reads. */
function cachesOf(
  { api, namespaces }: VmControllerOptions,
  onError: (error: unknown, about: string) => void,
): {
  machines: ResourceCache<VirtualMachineObject>;
  groups: ResourceCache<GroupMembers>;
  classes: ResourceCache<Size>;
} {
  const about = (resource: string) => ({
    api,
    ...(namespaces && { namespaces }),
    onBroken: (error: unknown) => onError(error, resource),
    onListenerError: (error: unknown) => onError(error, resource),
  });
  return {
    machines: virtualMachineCache(about('virtualmachines')),
    groups: resourceCache<GroupMembers>({
      ...about('virtualmachinegroups'),
      resource: RESOURCES.virtualMachineGroups,
      trim: membersOfGroup,
      optional: true,
    }),
    classes: resourceCache<Size>({
      ...about('virtualmachineclasses'),
      resource: RESOURCES.virtualMachineClasses,
      trim: sizeOf,
      optional: true,
    }),
  };
}

/** Undefined for a class that cannot be read. */
function sizeOf(object: KubernetesObject): Size | undefined {
  const { read } = readResource({
    ...object,
    apiVersion: `${RESOURCES.virtualMachineClasses.group}/${RESOURCES.virtualMachineClasses.version}`,
    kind: RESOURCES.virtualMachineClasses.kind,
  });
  return read?.kind === 'VirtualMachineClass'
    ? { cpus: read.object.cpus, memory: read.object.memory }
    : undefined;
}
