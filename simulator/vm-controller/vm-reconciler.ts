/** Does what {@link reactionTo} says about a VM: on the platform, and on the API server. */
import type { VirtualMachineRef } from '../../contract';
import { RESOURCES, trimVirtualMachine, type ApiServer, type VirtualMachineObject } from '../../kubernetes';
import { PlatformError } from '../../platforms';
import { VM_CONTROLLER } from '../../platforms/simulated';
import { APPLY_TIME } from '../../platforms/vm-operator';
import type { Machine } from '../machine';
import { FIRST_BOOT_DONE, VM_FINALIZER, type Action, type Failure, type Size, type VmFacts } from './facts';
import type { GroupMembers } from './group-members';
import { vcenterMessage } from './power';
import { reactionTo } from './reaction';
import { comparable, ownedStatus, withTimes, type WantedStatus } from './status';
import { VmMemory } from './vm-memory';

/** Field manager of everything that is applied. */
export const SIMULATOR_FIELD_MANAGER = 'vmgroup-simulator';

/** Most rounds of reacting in one piece of work. */
const ROUNDS = 8;

/** What a {@link VmReconciler} works with. */
export interface VmReconcilerOptions {
  api: ApiServer;
  machine: Machine;
  /** Milliseconds that the guest gets to shut down. */
  guestPatience: number;
  /** Undefined: the group does not exist. `key`: `namespace/name`. */
  group: (key: string) => GroupMembers | undefined;
  /** Undefined: the class does not exist, or cannot be read. */
  size: (key: string) => Size | undefined;
  /** Called with each failure, in the form to record on the object. */
  onFailure: (object: VirtualMachineObject, failure: Failure) => void;
}

/** Brings VMs one step closer to what their objects ask for. One call for a VM at a time. */
export class VmReconciler {
  readonly #options: VmReconcilerOptions;
  readonly #memories = new Map<string, VmMemory>();

  constructor(options: VmReconcilerOptions) {
    this.#options = options;
  }

  /** Takes a version of a VM from the cache. */
  observed(key: string, object: VirtualMachineObject): void {
    const memory = this.#memories.get(key);
    if (memory && memory.object.metadata.uid === object.metadata.uid) memory.observed(object);
  }

  /** What failed on a VM may be tried again at once. */
  endBackOff(key: string): void {
    this.#memories.get(key)?.endBackOff();
  }

  forget(key: string): void {
    this.#memories.delete(key);
  }

  /**
   * Reacts to a VM until there is nothing left to do. Resolves with the time to react again although nothing changed, milliseconds since the
   * epoch; Infinity: none.
   *
   * @throws KubernetesError when the API server refuses a write.
   */
  async reconcile(key: string, object: VirtualMachineObject): Promise<number> {
    const memory = this.#memoryOf(key, object);
    for (let round = 0; round < ROUNDS; round += 1) {
      const reaction = reactionTo(this.#facts(memory));
      if (reaction.settled) memory.settled();
      const actions = memory.isBackingOff
        ? reaction.actions.filter((action) => !canFail(action))
        : reaction.actions;
      if (reaction.failure && !memory.isBackingOff) this.#failed(memory, reaction.failure);
      for (const action of actions) await this.#perform(memory, action);
      // The effect shows in the next reaction; a status in between would be outdated.
      if (actions.length > 0 && reaction.status && !memory.isBackingOff) continue;
      if (reaction.status)
        await this.#writeStatus(memory, reactionTo(this.#facts(memory)).status ?? reaction.status);
      return Math.min(memory.retryAt ?? Infinity, reaction.wakeAt ?? Infinity);
    }
    return 0;
  }

  #memoryOf(key: string, object: VirtualMachineObject): VmMemory {
    const known = this.#memories.get(key);
    if (known?.object.metadata.uid === object.metadata.uid) return known as VmMemory;
    const memory = new VmMemory(object);
    this.#memories.set(key, memory);
    return memory;
  }

  #facts({ object, refused, reported }: VmMemory): VmFacts {
    const { machine, group, size, guestPatience } = this.#options;
    const { namespace = '' } = object.metadata;
    const { groupName, className } = object.spec;
    const found = machine.named(refOf(object));
    return {
      object,
      group: groupName ? group(`${namespace}/${groupName}`) : undefined,
      size: className ? size(`${namespace}/${className}`) : { cpus: 0, memory: 0 },
      machine: found?.vm.uid === object.metadata.uid ? found : undefined,
      ...(refused !== undefined && { refused }),
      ...(reported !== undefined && { reported }),
      now: Date.now(),
      guestPatience,
    };
  }

  async #perform(memory: VmMemory, action: Action): Promise<void> {
    const { object } = memory;
    const { finalizers = [] } = object.metadata;
    switch (action.type) {
      case 'addFinalizer':
        return this.#changeMetadata(memory, { finalizers: [...finalizers, VM_FINALIZER] });
      case 'dropApplyTime':
        return this.#changeMetadata(memory, { annotations: { [APPLY_TIME]: null } });
      case 'markFirstBoot':
        return this.#changeMetadata(memory, { annotations: { [FIRST_BOOT_DONE]: 'true' } });
      case 'delete':
        await this.#options.machine.delete(refOf(object), VM_CONTROLLER);
        if (!finalizers.includes(VM_FINALIZER)) return;
        return this.#changeMetadata(memory, {
          finalizers: finalizers.filter((name) => name !== VM_FINALIZER),
        });
      case 'create':
        return this.#attempt(memory, 'CreateFailure', () => this.#create(memory, action));
      case 'power':
        return this.#attempt(memory, 'UpdateFailure', () => this.#power(memory, action));
    }
  }

  /** A conflict when the object has changed since. */
  async #changeMetadata(memory: VmMemory, metadata: object): Promise<void> {
    const { namespace = '', name, resourceVersion } = memory.object.metadata;
    const patch = { metadata: { ...metadata, resourceVersion } };
    const answer = await this.#options.api.merge(RESOURCES.virtualMachines, { namespace, name }, patch, {
      fieldManager: SIMULATOR_FIELD_MANAGER,
    });
    memory.wrote(trimVirtualMachine(answer));
  }

  async #create(memory: VmMemory, { request }: Action & { type: 'create' }): Promise<void> {
    const { node, ...asked } = request;
    await this.#options.machine.place([{ vm: refOf(memory.object), ...asked }], {
      caller: VM_CONTROLLER,
      ...(node !== undefined && { node }),
    });
    memory.refused = undefined;
  }

  /** STANDIN-1: the number of operations accepted before, which the journal has, makes the id. */
  async #power({ object }: VmMemory, { request }: Action & { type: 'power' }): Promise<void> {
    const { machine, guestPatience } = this.#options;
    const vm = refOf(object);
    const sequence = machine.acceptedOperations(vm);
    const id = `${vm.uid}:${object.metadata.generation ?? 0}:${sequence}`;
    const { lost } = await machine.power({
      vm,
      operation: { id, sequence },
      guestShutdownTimeout: guestPatience,
      ...request,
    });
    if (lost) throw new PlatformError('Transient', 'simulated fault: the answer of the host was lost');
  }

  async #attempt(memory: VmMemory, reason: Failure['reason'], call: () => Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error: unknown) {
      if (!(error instanceof PlatformError)) throw error;
      const message = vcenterMessage(error);
      if (reason === 'CreateFailure') memory.refused = message;
      this.#failed(memory, { reason, message }, error.retryAfter);
    }
  }

  #failed(memory: VmMemory, failure: Failure, retryAfter?: number): void {
    memory.failed(failure, retryAfter);
    this.#options.onFailure(memory.object, failure);
  }

  /** STANDIN-3. */
  async #writeStatus(memory: VmMemory, wanted: WantedStatus): Promise<void> {
    const present = ownedStatus(memory.object);
    const [goal, before] = [comparable(wanted), comparable(present)];
    // Where the server keeps what another manager owns, the same write would change nothing.
    if (goal === before || memory.statusAttempt === goal + before) return;
    const { name, namespace, uid } = memory.object.metadata;
    const object = {
      metadata: { name, ...(namespace !== undefined && { namespace }), ...(uid !== undefined && { uid }) },
      status: { ...wanted, conditions: withTimes(wanted.conditions, present.conditions) },
    };
    const answer = await this.#options.api.apply(RESOURCES.virtualMachines, object, {
      subresource: 'status',
      fieldManager: SIMULATOR_FIELD_MANAGER,
    });
    memory.wrote(trimVirtualMachine(answer));
    memory.statusAttempt = goal + comparable(ownedStatus(memory.object));
  }
}

function canFail({ type }: Action): boolean {
  return type === 'create' || type === 'power';
}

function refOf({ metadata }: VirtualMachineObject): VirtualMachineRef {
  return { namespace: metadata.namespace ?? '', name: metadata.name, uid: metadata.uid ?? '' };
}
