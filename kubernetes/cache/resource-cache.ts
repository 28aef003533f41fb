/**
 * Follows one resource for as long as the process lives.
 *
 * CACHE-1: only `stop` ends it. A refused list, a 410, a 500, a dropped or a silent stream are followed by another try.
 * CACHE-2: nothing is missed, and nothing is reported twice. A gap is closed from the last version seen, or by a new list, which reports what
 *     was changed and deleted meanwhile.
 * CACHE-3: a listener that throws, or an object that cannot be read, does not affect other listeners and objects.
 * CACHE-4: only what is used is kept in memory: each object goes through `trim` when it arrives.
 * CACHE-5: a server that sends `Retry-After` is left alone for a minute at most, whatever it asks for.
 * CACHE-6: a server that was restored from a backup, and gives out versions a second time, is followed as it is now: after a server could not be
 *     reached, its objects are listed again, since it may have been restored meanwhile.
 * CACHE-7: an optional resource counts as missing by the word of an API server alone, not by a 404 of something in front of it.
 * CACHE-8: an object that can no longer be read stays as it was read last: it is not gone.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ApiServer } from '../api-server';
import type { KubernetesObject } from '../object';
import { Reflector, type ReflectorTarget } from './reflector';
import type { Resource } from '../resources';

/** One change of the cache. Listeners are called when the cache has it already. */
export type CacheChange<T> =
  { key: string; object: T; previous: T | undefined } | { key: string; object: undefined; previous: T };

/** What {@link resourceCache} needs. */
export interface CacheOptions<T> {
  api: ApiServer;
  resource: Resource;
  /** Absent: all namespaces. */
  namespaces?: readonly string[];
  /** Absent: every object. */
  fieldSelector?: string;
  /** Returns what is kept of an object; undefined: it counts as absent. */
  trim: (object: KubernetesObject) => T | undefined;
  /** Called when a list or a watch failed, with the milliseconds until the next try. */
  onBroken?: (error: unknown, retryIn: number) => void;
  /** Called when a listener or `trim` threw. */
  onListenerError?: (error: unknown) => void;
  /** A resource that the server does not have counts as empty, and is listed again from time to time. */
  optional?: boolean;
  /** If present, a resource that may not be read counts as empty too, and is listed again from time to time. Called at each refusal. */
  onForbidden?: (error: unknown) => void;
}

/** Objects of one resource, by `namespace/name` (`name` alone if it is not namespaced). */
export interface ResourceCache<T> {
  /** Plural of the resource. */
  readonly plural: string;
  get(key: string): T | undefined;
  /** Every object with its key. */
  entries(): IterableIterator<[string, T]>;
  readonly size: number;
  /** Whether everything was listed and every watch is open. */
  readonly live: boolean;
  /** When the server last answered, milliseconds since the epoch; undefined before the first list. */
  readonly lastContactAt: number | undefined;
  /** The last error, until every watch is open again. */
  readonly error: unknown;
  /** Lists that were answered, and watches, since the start; for metrics. */
  readonly counts: { readonly lists: number; readonly watches: number; readonly failures: number };
  /** Resolves once everything was listed for the first time, or at `stop`. */
  synced(): Promise<void>;
  /** Calls back with every change from now on. Returns a function that ends this. */
  onChange(listener: (change: CacheChange<T>) => void): () => void;
  /** Calls back whenever `live` changes. Returns a function that ends this. */
  onLive(listener: (live: boolean) => void): () => void;
  stop(): Promise<void>;
}

/** Starts to follow a resource at once. */
export function resourceCache<T>(options: CacheOptions<T>): ResourceCache<T> {
  const cache = new FollowedResource(options);
  cache.start();
  return cache;
}

class FollowedResource<T> implements ResourceCache<T> {
  readonly plural: string;
  readonly counts = { lists: 0, watches: 0, failures: 0 };
  readonly #options: CacheOptions<T>;
  readonly #reflectors: readonly Reflector[];
  readonly #objects = new Map<string, T>();
  /** Resource version of each object, so that a new list reports only what has changed. */
  readonly #versions = new Map<string, string | undefined>();
  readonly #listeners = new Set<(change: CacheChange<T>) => void>();
  readonly #liveListeners = new Set<(live: boolean) => void>();
  readonly #closing = new AbortController();
  readonly #synced: Promise<void>;
  #markSynced: () => void = () => undefined;
  #running: Promise<unknown> = Promise.resolve();
  #live = false;
  #error: unknown;
  #lastContactAt: number | undefined;

  constructor(options: CacheOptions<T>) {
    const { api, resource, namespaces = [undefined], fieldSelector, optional = false } = options;
    this.plural = resource.plural;
    this.#options = options;
    this.#synced = new Promise((resolve) => (this.#markSynced = resolve));
    const { onForbidden } = options;
    const followed = {
      api,
      resource,
      optional,
      signal: this.#closing.signal,
      ...(onForbidden && { onForbidden: (error: unknown) => this.#guard(() => onForbidden(error)) }),
    };
    const selector = fieldSelector === undefined ? {} : { fieldSelector };
    this.#reflectors = namespaces.map(
      (namespace) =>
        new Reflector(
          { ...followed, ...selector, ...(namespace !== undefined && { namespace }) },
          this.#target(),
        ),
    );
  }

  start(): void {
    this.#running = Promise.all(this.#reflectors.map((reflector) => reflector.run()));
  }

  async stop(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.#markSynced();
  }

  get size(): number {
    return this.#objects.size;
  }

  get live(): boolean {
    return this.#live;
  }

  get lastContactAt(): number | undefined {
    return this.#lastContactAt;
  }

  get error(): unknown {
    return this.#error;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  entries(): IterableIterator<[string, T]> {
    return this.#objects.entries();
  }

  synced(): Promise<void> {
    return this.#synced;
  }

  onChange(listener: (change: CacheChange<T>) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  onLive(listener: (live: boolean) => void): () => void {
    this.#liveListeners.add(listener);
    return () => void this.#liveListeners.delete(listener);
  }

  #target(): ReflectorTarget {
    return {
      put: (object, isListed) => this.#put(object, isListed),
      remove: (object) => this.#remove(keyOf(object)),
      keepOnly: (namespace, keys) => this.#keepOnly(namespace, keys),
      counts: (call) => (this.counts[call] += 1),
      answered: () => (this.#lastContactAt = Date.now()),
      stateChanged: () => this.#stateChanged(),
      failed: (error, retryIn) => {
        this.counts.failures += 1;
        this.#error = error;
        this.#guard(() => this.#options.onBroken?.(error, retryIn));
      },
    };
  }

  /** `isListed`: an equal version does not prove that the object is the same (CACHE-6). */
  #put(object: KubernetesObject, isListed: boolean): string {
    const key = keyOf(object);
    const { resourceVersion } = object.metadata;
    const previous = this.#objects.get(key);
    const isKnown =
      previous !== undefined && resourceVersion !== undefined && this.#versions.get(key) === resourceVersion;
    if (isKnown && !isListed) return key;
    // CACHE-8: nothing is done unless it could be read.
    this.#guard(() => {
      const trimmed = this.#options.trim(object);
      if (isKnown && isDeepStrictEqual(trimmed, previous)) return;
      if (trimmed === undefined) return this.#remove(key);
      this.#objects.set(key, trimmed);
      this.#versions.set(key, resourceVersion);
      this.#report({ key, object: trimmed, previous });
    });
    return key;
  }

  #remove(key: string): void {
    const previous = this.#objects.get(key);
    if (previous === undefined) return;
    this.#objects.delete(key);
    this.#versions.delete(key);
    this.#report({ key, object: undefined, previous });
  }

  #keepOnly(namespace: string | undefined, keys: ReadonlySet<string>): void {
    for (const key of [...this.#objects.keys()]) {
      const isFollowed = namespace === undefined || key.startsWith(`${namespace}/`);
      if (isFollowed && !keys.has(key)) this.#remove(key);
    }
  }

  #stateChanged(): void {
    if (this.#reflectors.every(({ listed }) => listed)) this.#markSynced();
    const live = this.#reflectors.every((reflector) => reflector.live);
    if (live) this.#error = undefined;
    if (live === this.#live) return;
    this.#live = live;
    for (const listener of this.#liveListeners) this.#guard(() => listener(live));
  }

  #report(change: CacheChange<T>): void {
    for (const listener of this.#listeners) this.#guard(() => listener(change));
  }

  /** CACHE-3. */
  #guard(call: () => void): void {
    try {
      call();
    } catch (error: unknown) {
      try {
        this.#options.onListenerError?.(error);
      } catch {
        // The error handler failed too; the cache continues.
      }
    }
  }
}

/** `namespace/name`, or the name alone. */
function keyOf({ metadata }: KubernetesObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}
