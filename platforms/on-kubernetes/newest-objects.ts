/**
 * The newest version of each object of one resource that is known, and writes to them. Each object is a VM.
 *
 * NEWEST-1: of two versions of a VM only the newer one is ever reported. A version that this process wrote or read itself counts until the
 *     cache has caught up, and an older one from the cache is dropped. That holds across VMs of one name: the one that was deleted never comes
 *     back in the place of the one that was made after it.
 * NEWEST-2: an answer that is older than the VM's deletion, which arrived before it, does not bring the VM back.
 * NEWEST-3: a server that was restored to an older state is believed: at once when it is asked, since it never answers with less than it has said
 *     before the call, and otherwise after a minute, with a report.
 */
import { isDeepStrictEqual } from 'node:util';
import type { VirtualMachineRef } from '../../contract';
import {
  isLower,
  KubernetesError,
  SteadyClock,
  type ApiServer,
  type CacheChange,
  type KubernetesObject,
  type Resource,
  type ResourceCache,
} from '../../kubernetes';
import { PlatformError } from '../platform';
import { AnswersAhead } from './answers-ahead';
import { Deletions } from './deletions';
import { platformError } from './errors';

/** Receives changes. `key`: `namespace/name`. */
export interface VmListener {
  changed(key: string): void;
  deleted(key: string, vm: VirtualMachineRef): void;
}

/** What to do with one version of a VM: nothing more, or a patch that then has a result. */
export type UpdateStep<R, T> =
  | { type: 'Done'; result: R }
  /** A patch of the status that comes first: the step is asked again for the version after it. */
  | { type: 'Prepare'; patch: object }
  | { type: 'Patch'; patch: object; result: (written: T) => R };

/** Names a VM; without uid whichever has that name. */
export type WantedVm = Omit<VirtualMachineRef, 'uid'> & { uid?: string };

/** What {@link NewestObjects} follows. */
export interface NewestOptions<T> {
  api: Pick<ApiServer, 'get' | 'merge'>;
  resource: Resource;
  cache: ResourceCache<T>;
  /** What the cache keeps of an object. */
  trim: (object: KubernetesObject) => T;
  listener: VmListener;
}

/** `plural.group`, or `plural/subresource.group`, as error messages name a resource. */
export function resourceName({ plural, group }: Resource, subresource?: string): string {
  return `${plural}${subresource === undefined ? '' : `/${subresource}`}.${group}`;
}

/** Field manager of our writes. */
const FIELD_MANAGER = 'vmgroup-worker';
/** Attempts to write before the call fails: the VM's own controller writes a few times while a VM changes. */
export const WRITES = 6;

/** Follows a cache until `close`. */
export class NewestObjects<T extends KubernetesObject> {
  readonly #options: NewestOptions<T>;
  readonly #cache: ResourceCache<T>;
  readonly #listener: VmListener;
  /** Versions that the cache does not have yet. */
  readonly #ahead: AnswersAhead<T>;
  /** When each version of an object arrived. */
  readonly #arrivals = new WeakMap<T, number>();
  readonly #deletions = new Deletions();
  readonly #unsubscribe: () => void;
  readonly #clock = new SteadyClock();

  constructor(options: NewestOptions<T>) {
    this.#options = options;
    this.#cache = options.cache;
    this.#listener = options.listener;
    this.#ahead = new AnswersAhead({
      isLive: () => this.#cache.live,
      expired: (key, object) => this.#expired(key, object),
    });
    this.#unsubscribe = options.cache.onChange((change) => this.#arrived(change));
  }

  close(): void {
    this.#unsubscribe();
    this.#ahead.close();
  }

  /** Milliseconds since the epoch, by the {@link SteadyClock} of all that is said of these VMs. */
  now(): number {
    return this.#clock.now();
  }

  /** Keys of all VMs: `namespace/name`. */
  *keys(): IterableIterator<string> {
    for (const [key] of this.#cache.entries()) yield key;
    for (const key of this.#ahead.keys()) if (!this.#cache.get(key)) yield key;
  }

  newest(key: string): T | undefined {
    return this.#ahead.get(key) ?? this.#cache.get(key);
  }

  /** When a version arrived. One that the cache had from the start arrived by the last contact with the server. */
  arrivedAt(object: T): number {
    return this.#arrivals.get(object) ?? this.#cache.lastContactAt ?? this.now();
  }

  /**
   * The newest version, from the cache if that is up to date; undefined: the server has no VM of that uid.
   *
   * @throws PlatformError when the server cannot be asked.
   */
  async current(vm: WantedVm, signal?: AbortSignal): Promise<T | undefined> {
    const known = this.#cache.live ? this.newest(vmKey(vm)) : undefined;
    return known && isMeant(known, vm) ? known : this.fetch(vm, signal);
  }

  /** {@link current}, always from the server. */
  async fetch(vm: WantedVm, signal?: AbortSignal): Promise<T | undefined> {
    try {
      const { api, resource } = this.#options;
      return await this.#answered(vm, () => api.get(resource, vm, signal && { signal }));
    } catch (error: unknown) {
      throw platformError(error, 'get', resourceName(this.#options.resource));
    }
  }

  /**
   * Writes a patch that holds for one version. Resolves with the new version; undefined: the VM has changed since, or is gone.
   *
   * @throws PlatformError when the server refuses it.
   */
  async write(
    vm: WantedVm,
    patch: object,
    signal?: AbortSignal,
    subresource?: 'status',
  ): Promise<T | undefined> {
    try {
      const { api, resource } = this.#options;
      const options = {
        fieldManager: FIELD_MANAGER,
        ...(subresource && { subresource }),
        ...(signal && { signal }),
      };
      return await this.#answered(vm, () => api.merge(resource, vm, patch, options));
    } catch (error: unknown) {
      if (error instanceof KubernetesError && (error.isConflict || error.isNotFound)) return undefined;
      const what = resourceName(this.#options.resource, subresource);
      throw platformError(error, 'patch', what);
    }
  }

  /**
   * Applies `step` to `object`; after a conflict, to the newest version.
   *
   * @param what For the error message: what is written.
   * @throws PlatformError `Transient` after {@link WRITES} conflicts; whatever `step` throws.
   */
  async update<R>(
    vm: WantedVm,
    object: T | undefined,
    step: (object: T | undefined) => UpdateStep<R, T>,
    { what, signal }: { what: string; signal?: AbortSignal | undefined },
  ): Promise<R> {
    let version = object;
    for (let tries = 1; tries <= WRITES; tries += 1) {
      const next = step(version);
      if (next.type === 'Done') return next.result;
      const isFirst = next.type === 'Prepare';
      const written = await this.write(vm, next.patch, signal, isFirst ? 'status' : undefined);
      if (written && !isFirst) return next.result(written);
      version = written ?? (await this.fetch(vm, signal));
    }
    throw new PlatformError(
      'Transient',
      `VirtualMachine ${vmKey(vm)} was changed by another client each of ${WRITES} times that its ${what} was to be written`,
    );
  }

  /** Makes a call, and resolves with the newest version of the VM that is known then; undefined: it is gone. */
  async #answered(vm: WantedVm, call: () => Promise<KubernetesObject | undefined>): Promise<T | undefined> {
    const before = this.newest(vmKey(vm));
    const newest = await this.#deletions.during(call, (answer, isGone) =>
      this.#remember(answer, before, isGone),
    );
    return newest && isMeant(newest, vm) ? newest : undefined;
  }

  /**
   * Returns the newest version of that name that is known, which need not be the answer; undefined: there is none. `before`: the one that was
   * known when the call began.
   */
  #remember(
    answer: KubernetesObject | undefined,
    before: T | undefined,
    isGone: (object: T) => boolean,
  ): T | undefined {
    if (!answer) return undefined;
    const object = this.#options.trim(answer);
    const key = vmKey(object.metadata);
    const known = this.newest(key);
    const isRestored = before !== undefined && isBefore(object, before);
    if (known && isBefore(object, known) && !isRestored) return known;
    if (isGone(object)) return undefined;
    this.#ahead.delete(key);
    const cached = this.#cache.get(key);
    const newest = cached && isSame(cached, object) ? cached : object;
    if (newest !== cached) this.#ahead.set(key, object);
    this.#arrivals.set(newest, this.now());
    this.#listener.changed(key);
    return newest;
  }

  /** NEWEST-3. */
  #expired(key: string, object: T): void {
    if (this.#cache.get(key)) this.#listener.changed(key);
    else this.#listener.deleted(key, refOf(object));
  }

  #arrived(change: CacheChange<T>): void {
    const { key, object } = change;
    const ahead = this.#ahead.get(key);
    if (object) {
      this.#arrivals.set(object, this.now());
      if (ahead && isBefore(object, ahead)) return;
      this.#ahead.delete(key);
      this.#listener.changed(key);
      return;
    }
    const previous = change.previous as T;
    this.#deletions.note(previous);
    // Another VM of the same name may be known already.
    if (ahead && ahead.metadata.uid !== previous.metadata.uid) return;
    this.#ahead.delete(key);
    this.#listener.deleted(key, refOf(previous));
  }
}

/** Whether the first is an older version than the second, of one VM or of several that had its name one after another. */
function isBefore({ metadata: a }: KubernetesObject, { metadata: b }: KubernetesObject): boolean {
  return isLower(a.resourceVersion, b.resourceVersion);
}

/** False for what is nested too deeply to be compared. */
function isSame(one: KubernetesObject, other: KubernetesObject): boolean {
  try {
    return one.metadata.resourceVersion === other.metadata.resourceVersion && isDeepStrictEqual(one, other);
  } catch {
    return false;
  }
}

function isMeant({ metadata }: KubernetesObject, { uid }: WantedVm): boolean {
  return uid === undefined || metadata.uid === uid;
}

/** `namespace/name`. */
export function vmKey({ namespace, name }: { namespace?: string; name: string }): string {
  return `${namespace}/${name}`;
}

/** Names a VM. */
export function refOf({
  metadata: { namespace = '', name, uid = '' },
}: Pick<KubernetesObject, 'metadata'>): VirtualMachineRef {
  return { namespace, name, uid };
}
