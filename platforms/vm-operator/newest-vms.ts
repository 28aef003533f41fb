/**
 * The newest version of each VirtualMachine that is known, and writes to them.
 *
 * VMOPERATOR-3: of two versions of a VM only the newer one is ever reported. A version that this process wrote or read itself counts until the
 *     cache has caught up, and an older one from the cache is dropped.
 */
import type { VirtualMachineRef } from '../../contract';
import {
  isOlder,
  KubernetesError,
  RESOURCES,
  trimVirtualMachine,
  type ApiServer,
  type CacheChange,
  type ResourceCache,
  type VirtualMachineObject,
} from '../../kubernetes';
import { PlatformError } from '../platform';
import { platformError } from './errors';
import { refOf } from './observe';

/** A version that the cache does not have yet. */
interface Ahead {
  object: VirtualMachineObject;
  at: number;
}

/** Receives changes. `key`: `namespace/name`. */
export interface VmListener {
  changed(key: string): void;
  deleted(key: string, vm: VirtualMachineRef): void;
}

/** What to do with one version of a VM: nothing more, or a patch that then has a result. */
export type UpdateStep<T> =
  | { type: 'Done'; result: T }
  | { type: 'Patch'; patch: object; result: (written: VirtualMachineObject) => T };

/** The resource, for error messages. */
export const MACHINES = 'virtualmachines.vmoperator.vmware.com';

/** Field manager of our writes. */
const FIELD_MANAGER = 'vmgroup-worker';
/** Attempts to write before the call fails: VM Operator writes a few times while a VM changes. */
export const WRITES = 6;
/** Milliseconds for which our own version counts: after that the cache has it, or the server was restored to an older state. */
const LONGEST_LAG = 60_000;

/** Follows a cache until `close`. */
export class NewestVms {
  readonly #api: ApiServer;
  readonly #machines: ResourceCache<VirtualMachineObject>;
  readonly #listener: VmListener;
  readonly #ahead = new Map<string, Ahead>();
  /** When each version of an object arrived. */
  readonly #arrivals = new WeakMap<VirtualMachineObject, number>();
  readonly #unsubscribe: () => void;
  #lastNow = 0;

  constructor(api: ApiServer, machines: ResourceCache<VirtualMachineObject>, listener: VmListener) {
    this.#api = api;
    this.#machines = machines;
    this.#listener = listener;
    this.#unsubscribe = machines.onChange((change) => this.#arrived(change));
  }

  close(): void {
    this.#unsubscribe();
  }

  /** Milliseconds since the epoch. Never backwards, whatever the clock does. */
  now(): number {
    this.#lastNow = Math.max(this.#lastNow, Date.now());
    return this.#lastNow;
  }

  /** Keys of all VMs: `namespace/name`. */
  *keys(): IterableIterator<string> {
    for (const [key] of this.#machines.entries()) yield key;
    for (const key of this.#ahead.keys()) if (!this.#machines.get(key)) yield key;
  }

  newest(key: string): VirtualMachineObject | undefined {
    const ahead = this.#ahead.get(key);
    if (ahead && Date.now() - ahead.at < LONGEST_LAG) return ahead.object;
    return this.#machines.get(key);
  }

  /** When a version arrived. One that the cache had from the start arrived by the last contact with the server. */
  arrivedAt(object: VirtualMachineObject): number {
    return this.#arrivals.get(object) ?? this.#machines.lastContactAt ?? this.now();
  }

  /**
   * The newest version, from the cache if that is up to date; undefined: the server has no VM of that uid.
   *
   * @throws PlatformError when the server cannot be asked.
   */
  async current(vm: VirtualMachineRef, signal?: AbortSignal): Promise<VirtualMachineObject | undefined> {
    const known = this.#machines.live ? this.newest(vmKey(vm)) : undefined;
    return known?.metadata.uid === vm.uid ? known : this.fetch(vm, signal);
  }

  /** {@link current}, always from the server. */
  async fetch(vm: VirtualMachineRef, signal?: AbortSignal): Promise<VirtualMachineObject | undefined> {
    try {
      const object = await this.#api.get(RESOURCES.virtualMachines, vm, signal && { signal });
      const newest = object && this.#remember(trimVirtualMachine(object));
      return newest?.metadata.uid === vm.uid ? newest : undefined;
    } catch (error: unknown) {
      throw platformError(error, 'get', MACHINES);
    }
  }

  /**
   * Writes a patch that holds for one version. Resolves with the new version; undefined: the VM has changed since.
   *
   * @throws PlatformError when the server refuses it.
   */
  async write(
    vm: VirtualMachineRef,
    patch: object,
    signal?: AbortSignal,
  ): Promise<VirtualMachineObject | undefined> {
    try {
      const object = await this.#api.merge(RESOURCES.virtualMachines, vm, patch, {
        fieldManager: FIELD_MANAGER,
        ...(signal && { signal }),
      });
      return this.#remember(trimVirtualMachine(object));
    } catch (error: unknown) {
      if (error instanceof KubernetesError && (error.isConflict || error.isNotFound)) return undefined;
      throw platformError(error, 'patch', MACHINES);
    }
  }

  /**
   * Does what `step` says of a version, first of `object`; after a conflict again, of the newest one.
   *
   * @param what For the error message: what is written.
   * @throws PlatformError `Transient` after {@link WRITES} conflicts; whatever `step` throws.
   */
  async update<T>(
    vm: VirtualMachineRef,
    object: VirtualMachineObject | undefined,
    step: (object: VirtualMachineObject | undefined) => UpdateStep<T>,
    { what, signal }: { what: string; signal?: AbortSignal | undefined },
  ): Promise<T> {
    let version = object;
    for (let tries = 1; tries <= WRITES; tries += 1) {
      const next = step(version);
      if (next.type === 'Done') return next.result;
      const written = await this.write(vm, next.patch, signal);
      if (written) return next.result(written);
      version = await this.fetch(vm, signal);
    }
    throw new PlatformError(
      'Transient',
      `VirtualMachine ${vmKey(vm)} was changed by another client each of ${WRITES} times that its ${what} was to be written`,
    );
  }

  /** Returns the newest version that is known, which need not be this one. */
  #remember(object: VirtualMachineObject): VirtualMachineObject {
    const key = vmKey(object.metadata);
    const known = this.newest(key);
    if (known && isOlder(object, known)) return known;
    const at = this.now();
    this.#arrivals.set(object, at);
    this.#ahead.set(key, { object, at });
    this.#listener.changed(key);
    return object;
  }

  #arrived({ key, object, previous }: CacheChange<VirtualMachineObject>): void {
    const ahead = this.#ahead.get(key);
    const fresh = ahead && Date.now() - ahead.at < LONGEST_LAG ? ahead.object : undefined;
    if (object) {
      this.#arrivals.set(object, this.now());
      if (fresh && isOlder(object, fresh)) return;
      this.#ahead.delete(key);
      this.#listener.changed(key);
      return;
    }
    // Another VM of the same name may be known already.
    if (fresh && fresh.metadata.uid !== previous.metadata.uid) return;
    this.#ahead.delete(key);
    this.#listener.deleted(key, refOf(previous));
  }
}

/** `namespace/name`. */
export function vmKey({ namespace, name }: { namespace?: string; name: string }): string {
  return `${namespace}/${name}`;
}
