/**
 * Follows one resource for as long as the process lives: list, then watch, again and again.
 *
 * K1: nothing ends it but `stop`: a refused list, a 410, a 500, a dropped or silent stream are followed by another try.
 * K2: nothing is missed, and nothing is told twice: a gap is closed from the last version seen, or by a new list, which tells what has
 *     changed and what was deleted meanwhile.
 * K3: a listener that throws, or an object that cannot be read, harms nobody else.
 * K4: only what is used is kept in memory: each object goes through `trim` as it arrives.
 * CACHE-5: a server that asks for patience is left alone for a minute at most, whatever it asks for.
 * CACHE-6: a server that was restored from a backup, and gives out versions a second time, is followed as it is now.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { ApiServer, KubernetesObject, ListOptions, WatchEvent } from './api-server';
import { KubernetesError } from './error';
import type { Resource } from './resources';

/** One change of the cache. The cache has it already when listeners are told. */
export type CacheChange<T> =
  { key: string; object: T; previous: T | undefined } | { key: string; object: undefined; previous: T };

/** What {@link resourceCache} needs. */
export interface CacheOptions<T> {
  api: ApiServer;
  resource: Resource;
  /** Left out: all namespaces. */
  namespaces?: readonly string[];
  /** Left out: every object. */
  fieldSelector?: string;
  /** What is kept of an object; undefined: it is as if it did not exist. */
  trim: (object: KubernetesObject) => T | undefined;
  /** Told of each list or watch that failed, and of the milliseconds until the next try. */
  onBroken?: (error: unknown, retryIn: number) => void;
  /** Told when a listener threw, or `trim`. */
  onListenerError?: (error: unknown) => void;
  /** A resource that the server does not have counts as empty, and is looked for again now and then. */
  optional?: boolean;
}

/** Objects of one resource, by `namespace/name` (`name` alone where it is not namespaced). */
export interface ResourceCache<T> {
  /** Plural of the resource. */
  readonly plural: string;
  get(key: string): T | undefined;
  /** Every object with its key. */
  entries(): IterableIterator<[string, T]>;
  readonly size: number;
  /** Whether everything was listed and every watch is open. */
  readonly live: boolean;
  /** When the server was last heard of, milliseconds since the epoch; undefined before the first list. */
  readonly lastContactAt: number | undefined;
  /** What the last try failed with, while no try has succeeded since. */
  readonly error: unknown;
  /** Lists and watches since the start, as metrics count them. */
  readonly counts: { readonly lists: number; readonly watches: number; readonly failures: number };
  /** Resolves once everything was listed for the first time; at `stop` too. */
  synced(): Promise<void>;
  /** Calls back with every change from now on; returns how to end that. */
  onChange(listener: (change: CacheChange<T>) => void): () => void;
  /** Calls back whenever `live` changes; returns how to end that. */
  onLive(listener: (live: boolean) => void): () => void;
  stop(): Promise<void>;
}

/** Objects of one page of a list. */
const PAGE = 500;
/** Milliseconds that one page may take. */
const LIST_TIMEOUT = 30_000;
/** Milliseconds before the first new try; doubles with each further one, with jitter. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5_000;
/** Milliseconds between two looks for a resource that the server does not have. */
const ABSENT_PAUSE = 10_000;

/** Starts to follow a resource at once. */
export function resourceCache<T>(options: CacheOptions<T>): ResourceCache<T> {
  const { api, resource, trim, onBroken = () => undefined, onListenerError = () => undefined } = options;
  const objects = new Map<string, T>();
  /** Resource version of each object, so that a new list tells only of what has changed. */
  const versions = new Map<string, string | undefined>();
  const listeners = new Set<(change: CacheChange<T>) => void>();
  const liveListeners = new Set<(live: boolean) => void>();
  const closing = new AbortController();
  const selected = options.fieldSelector === undefined ? {} : { fieldSelector: options.fieldSelector };
  const counts = { lists: 0, watches: 0, failures: 0 };
  let lastContactAt: number | undefined;
  let lastError: unknown;
  let wasLive = false;
  let markSynced: () => void = () => undefined;
  const synced = new Promise<void>((resolve) => (markSynced = resolve));

  const streams: Stream[] = (options.namespaces ?? [undefined]).map((namespace) => ({
    namespace,
    version: undefined,
    listed: false,
    present: false,
    worked: false,
    live: false,
  }));
  const running = Promise.all(streams.map((stream) => follow(stream)));

  function guard(call: () => void): void {
    try {
      call();
    } catch (error: unknown) {
      try {
        onListenerError(error);
      } catch {
        // The last resort failed too; the cache goes on (K3).
      }
    }
  }

  function tell(change: CacheChange<T>): void {
    for (const listener of listeners) guard(() => listener(change));
  }

  /** `isListed`: the version alone does not tell that the object is the same (CACHE-6). */
  function put(object: KubernetesObject, isListed: boolean): string {
    const key = keyOf(object);
    const { resourceVersion } = object.metadata;
    const previous = objects.get(key);
    const isKnown =
      previous !== undefined && resourceVersion !== undefined && versions.get(key) === resourceVersion;
    if (isKnown && !isListed) return key;
    let trimmed: T | undefined;
    guard(() => (trimmed = trim(object)));
    if (isKnown && isDeepStrictEqual(trimmed, previous)) return key;
    if (trimmed === undefined) remove(key);
    else {
      objects.set(key, trimmed);
      versions.set(key, resourceVersion);
      tell({ key, object: trimmed, previous });
    }
    return key;
  }

  function remove(key: string): void {
    const previous = objects.get(key);
    if (previous === undefined) return;
    objects.delete(key);
    versions.delete(key);
    tell({ key, object: undefined, previous });
  }

  function setLive(stream: Stream, live: boolean): void {
    stream.live = live;
    if (live) lastError = undefined;
    const now = streams.every((each) => each.live);
    if (now === wasLive) return;
    wasLive = now;
    for (const listener of liveListeners) guard(() => listener(now));
  }

  /** K1. */
  async function follow(stream: Stream): Promise<void> {
    let pause = FIRST_PAUSE;
    while (!closing.signal.aborted) {
      let retryIn = 0;
      stream.worked = false;
      try {
        if (stream.version === undefined) await list(stream);
        await watch(stream);
        // A server that closes at once, again and again, is not to be asked without a pause.
        if (!stream.worked) retryIn = jitter(pause);
      } catch (error: unknown) {
        if (closing.signal.aborted) break;
        if (isAbsent(error) && options.optional && isGone(stream)) {
          emptied(stream);
          retryIn = ABSENT_PAUSE;
        } else {
          setLive(stream, false);
          if (stream.worked) pause = FIRST_PAUSE;
          retryIn = failed(stream, error, pause);
        }
      }
      pause = stream.worked ? FIRST_PAUSE : Math.min(pause * 2, LONGEST_PAUSE);
      if (retryIn > 0) await sleep(retryIn, undefined, { signal: closing.signal }).catch(() => undefined);
    }
    markSynced();
  }

  function failed(stream: Stream, error: unknown, pause: number): number {
    counts.failures += 1;
    lastError = error;
    const known = error instanceof KubernetesError ? error : undefined;
    // K2: what the server no longer has, it lists. Where it refuses, a list tells more than the same watch again.
    if (known && known.code !== 0 && known.code !== 429) stream.version = undefined;
    // A server that forgets faster than we read is not to be asked without a pause either.
    const atOnce = known?.isExpired && pause === FIRST_PAUSE;
    const retryIn = atOnce ? 0 : Math.max(known?.retryAfter ?? 0, jitter(pause));
    guard(() => onBroken(error, retryIn));
    return retryIn;
  }

  /** The server does not have the resource. */
  function emptied(stream: Stream): void {
    stream.version = undefined;
    stream.present = false;
    delete stream.absentSince;
    dropUnlisted(stream, new Set());
    stream.listed = true;
    if (streams.every((each) => each.listed)) markSynced();
    setLive(stream, true);
  }

  async function list(stream: Stream): Promise<void> {
    counts.lists += 1;
    const listed = new Set<string>();
    let next: string | undefined;
    let version: string | undefined;
    do {
      const page = await api.list(resource, {
        ...namespaceOf(stream),
        ...selected,
        limit: PAGE,
        ...(next !== undefined && { continue: next }),
        signal: closing.signal,
        timeout: LIST_TIMEOUT,
      });
      lastContactAt = Date.now();
      for (const item of page.items) listed.add(put(item, true));
      // Every page is of the moment of the first one.
      version ??= page.metadata.resourceVersion;
      next = page.metadata.continue === '' ? undefined : page.metadata.continue;
    } while (next !== undefined);
    dropUnlisted(stream, listed);
    stream.version = version;
    stream.present = true;
    delete stream.absentSince;
    stream.listed = true;
    if (streams.every((each) => each.listed)) markSynced();
  }

  function dropUnlisted({ namespace }: Stream, listed: Set<string>): void {
    for (const key of [...objects.keys()]) {
      const mine = namespace === undefined || key.startsWith(`${namespace}/`);
      if (mine && !listed.has(key)) remove(key);
    }
  }

  async function watch(stream: Stream): Promise<void> {
    counts.watches += 1;
    const begun = Date.now();
    const onEvent = ({ type, object }: WatchEvent): void => {
      stream.worked = true;
      lastContactAt = Date.now();
      if (type === 'DELETED') remove(keyOf(object));
      else if (type !== 'BOOKMARK') put(object, false);
      stream.version = object.metadata.resourceVersion ?? stream.version;
    };
    let opened = false;
    const onOpen = (): void => {
      opened = true;
      setLive(stream, true);
    };
    const { version: resourceVersion } = stream;
    try {
      await api.watch(
        resource,
        {
          ...namespaceOf(stream),
          ...selected,
          ...(resourceVersion !== undefined && { resourceVersion }),
          signal: closing.signal,
        },
        onEvent,
        onOpen,
      );
    } finally {
      stream.worked ||= opened && Date.now() - begun > LONGEST_PAUSE;
    }
  }

  return {
    plural: resource.plural,
    get: (key) => objects.get(key),
    entries: () => objects.entries(),
    get size() {
      return objects.size;
    },
    get live() {
      return wasLive;
    },
    get lastContactAt() {
      return lastContactAt;
    },
    get error() {
      return lastError;
    },
    counts,
    synced: () => synced,
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    onLive: (listener) => {
      liveListeners.add(listener);
      return () => void liveListeners.delete(listener);
    },
    stop: async () => {
      closing.abort();
      await running;
    },
  };
}

/** One list and watch: of all namespaces, or of one. */
interface Stream {
  namespace: string | undefined;
  /** Resource version that everything up to was seen; undefined: list first. */
  version: string | undefined;
  listed: boolean;
  /** The server had the resource when it was last listed. */
  present: boolean;
  /** Since when the server says that it does not have it any more, milliseconds since the epoch. */
  absentSince?: number;
  /** Something came over the last watch, be it a bookmark, or it was open for a while. */
  worked: boolean;
  live: boolean;
}

function namespaceOf({ namespace }: Stream): Pick<ListOptions, 'namespace'> {
  return namespace === undefined ? {} : { namespace };
}

/** `namespace/name`, or the name alone. */
function keyOf({ metadata }: KubernetesObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

/** The resource as a whole is not there: its CRD is not installed. */
function isAbsent(error: unknown): boolean {
  return error instanceof KubernetesError && error.isNotFound;
}

/** What was there is given up only after a while: a server that starts has nothing for a moment. */
function isGone(stream: Stream): boolean {
  if (!stream.present) return true;
  stream.absentSince ??= Date.now();
  return Date.now() - stream.absentSince >= ABSENT_PAUSE;
}

function jitter(pause: number): number {
  return Math.round(pause * (0.5 + Math.random() / 2));
}
