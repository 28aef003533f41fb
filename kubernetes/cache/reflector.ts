/**
 * Keeps a cache like one resource on the API server, in all namespaces or in one: list, then watch, again and again. Its guarantees are those
 * of {@link resourceCache}.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiServer, ListOptions } from '../api-server';
import type { KubernetesObject, WatchEvent } from '../object';
import { KubernetesError } from '../error';
import { listPages } from '../list';
import type { Resource } from '../resources';
import { doublingPause } from '../work-queue';

/** What a {@link Reflector} reads. */
export interface ReflectorOptions {
  api: ApiServer;
  resource: Resource;
  /** Absent: all namespaces. */
  namespace?: string;
  /** Absent: every object. */
  fieldSelector?: string;
  /** A resource that the server does not have counts as empty. */
  optional: boolean;
  /** If present, a resource that may not be read counts as empty too. Called at each refusal. */
  onForbidden?: (error: unknown) => void;
  /** Ends it. */
  signal: AbortSignal;
}

/** The cache that a {@link Reflector} keeps. No call may throw. */
export interface ReflectorTarget {
  /** An object was listed, or was created or changed. Returns its key. */
  put(object: KubernetesObject, isListed: boolean): string;
  /** An object was deleted. */
  remove(object: KubernetesObject): void;
  /** A list is complete: other objects of the namespace are gone. */
  keepOnly(namespace: string | undefined, keys: ReadonlySet<string>): void;
  /** The server answers a list, or a watch begins. */
  counts(call: 'lists' | 'watches'): void;
  /** The server answered. */
  answered(): void;
  /** {@link Reflector.live} or {@link Reflector.listed} may have changed. */
  stateChanged(): void;
  /** A list or a watch failed. */
  failed(error: unknown, retryIn: number): void;
}

/** Milliseconds that one page of a list may take. */
const LIST_TIMEOUT = 30_000;
/** Milliseconds before the first retry; doubles with each further one, with jitter. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;
/** Milliseconds between two tries to list a resource that the server does not have. */
const ABSENT_PAUSE = 10_000;

/** One list and watch. */
export class Reflector {
  readonly #options: ReflectorOptions;
  readonly #target: ReflectorTarget;
  /** Everything up to this resource version was seen; undefined: list first. */
  #version: string | undefined;
  /** The server had the resource when it was last listed. */
  #present = false;
  /** Since when the server says nothing but that it no longer has it, by the clock of running time. */
  #absentSince: number | undefined;
  /** The last watch was useful: an event arrived, even if only a bookmark, or it was open for a while. */
  #worked = false;
  /** The last watch was opened. */
  #opened = false;
  #live = false;
  #listed = false;

  constructor(options: ReflectorOptions, target: ReflectorTarget) {
    this.#options = options;
    this.#target = target;
  }

  /** Whether the watch is open. */
  get live(): boolean {
    return this.#live;
  }

  /** Whether everything was listed once. */
  get listed(): boolean {
    return this.#listed;
  }

  /** Lists and watches until the signal aborts (CACHE-1). */
  async run(): Promise<void> {
    const { signal } = this.#options;
    let failures = 1;
    while (!signal.aborted) {
      this.#worked = false;
      const retryIn = await this.#listAndWatch(failures);
      failures = this.#worked ? 1 : failures + 1;
      if (retryIn > 0) await sleep(retryIn, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Returns the pause before the next round. */
  async #listAndWatch(failures: number): Promise<number> {
    try {
      if (this.#version === undefined) await this.#list();
      await this.#watch();
      // A server that closes each watch at once is not asked without a pause.
      return this.#worked ? 0 : pauseAfter(failures);
    } catch (error: unknown) {
      const isEmpty = !this.#options.signal.aborted && (await this.#countsAsEmpty(error));
      if (this.#options.signal.aborted) return 0;
      if (!isEmpty) this.#absentSince = undefined;
      else if (this.#isGone()) {
        this.#empty();
        return ABSENT_PAUSE;
      }
      return this.#failed(error, this.#worked ? 1 : failures);
    }
  }

  async #countsAsEmpty(error: unknown): Promise<boolean> {
    const { optional, onForbidden } = this.#options;
    if (!(error instanceof KubernetesError)) return false;
    if (onForbidden && error.code === 403) {
      onForbidden(error);
      return true;
    }
    return optional && error.isAbsent && (await this.#isServer());
  }

  /** CACHE-7: whether an API server answers: the 404 of anything in front of it says nothing about a resource. */
  async #isServer(): Promise<boolean> {
    const { api, signal } = this.#options;
    try {
      return (await api.read('/version', { signal })) !== undefined;
    } catch (error: unknown) {
      // Only an API server refuses with a reason.
      return error instanceof KubernetesError && error.reason === 'Forbidden';
    }
  }

  #failed(error: unknown, failures: number): number {
    this.#setLive(false);
    const refusal = error instanceof KubernetesError ? error : undefined;
    // CACHE-2: what the server has forgotten is listed. After a refusal, a list tells more than the same watch again.
    const isRefused = refusal !== undefined && refusal.code !== 0 && refusal.code !== 429;
    // CACHE-6: a restored server takes a version that it has not given out yet, and never says that it is a different one.
    const isUnreached = refusal?.code === 0 && !this.#opened;
    if (isRefused || isUnreached) this.#version = undefined;
    // A server that forgets faster than we read is not asked without a pause either.
    const atOnce = refusal?.isExpired && failures === 1;
    const retryIn = atOnce ? 0 : Math.max(refusal?.retryAfter ?? 0, pauseAfter(failures));
    this.#target.failed(error, retryIn);
    return retryIn;
  }

  /** What was there is given up only after a while: a server that starts has nothing for a moment. */
  #isGone(): boolean {
    if (!this.#present) return true;
    this.#absentSince ??= performance.now();
    return performance.now() - this.#absentSince >= ABSENT_PAUSE;
  }

  /** The server does not have the resource. */
  #empty(): void {
    this.#completed(new Set(), undefined, false);
    this.#setLive(true);
  }

  async #list(): Promise<void> {
    const { api, resource, signal } = this.#options;
    const listed = new Set<string>();
    let version: string | undefined;
    const options = { ...this.#selection(), signal, timeout: LIST_TIMEOUT };
    for await (const page of listPages(api, resource, options)) {
      this.#target.answered();
      // One that is refused is a failure, and a look for a resource that is not there is none.
      if (version === undefined) this.#target.counts('lists');
      for (const item of page.items) listed.add(this.#target.put(item, true));
      // Every page shows the moment of the first one.
      version ??= page.metadata.resourceVersion;
    }
    this.#completed(listed, version, true);
  }

  #completed(listed: ReadonlySet<string>, version: string | undefined, present: boolean): void {
    this.#target.keepOnly(this.#options.namespace, listed);
    this.#version = version;
    this.#present = present;
    this.#absentSince = undefined;
    this.#listed = true;
    this.#target.stateChanged();
  }

  async #watch(): Promise<void> {
    this.#target.counts('watches');
    const { api, resource, signal } = this.#options;
    let openedAt = Infinity;
    this.#opened = false;
    const onOpen = (): void => {
      this.#opened = true;
      openedAt = performance.now();
      this.#setLive(true);
    };
    const resourceVersion = this.#version === undefined ? {} : { resourceVersion: this.#version };
    const options = { ...this.#selection(), ...resourceVersion, signal };
    try {
      await api.watch(resource, options, (event) => this.#onEvent(event), onOpen);
    } finally {
      this.#worked ||= performance.now() - openedAt > LONGEST_PAUSE;
    }
  }

  #onEvent({ type, object }: WatchEvent): void {
    this.#worked = true;
    this.#target.answered();
    if (type === 'DELETED') this.#target.remove(object);
    else if (type !== 'BOOKMARK') this.#target.put(object, false);
    this.#version = object.metadata.resourceVersion ?? this.#version;
  }

  #setLive(live: boolean): void {
    this.#live = live;
    this.#target.stateChanged();
  }

  #selection(): Pick<ListOptions, 'namespace' | 'fieldSelector'> {
    const { namespace, fieldSelector } = this.#options;
    return {
      ...(namespace !== undefined && { namespace }),
      ...(fieldSelector !== undefined && { fieldSelector }),
    };
  }
}

/** With jitter. */
function pauseAfter(failures: number): number {
  return Math.round(doublingPause(failures, FIRST_PAUSE, LONGEST_PAUSE) * (0.5 + Math.random() / 2));
}
