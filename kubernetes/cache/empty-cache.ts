/** A cache of a resource that is not read. */
import type { ResourceCache } from './resource-cache';
import type { Resource } from '../resources';

/** Makes a cache that has nothing, asks for nothing and never changes. */
export function emptyCache<T>({ plural }: Resource): ResourceCache<T> {
  return {
    plural,
    size: 0,
    live: true,
    lastContactAt: undefined,
    error: undefined,
    counts: { lists: 0, watches: 0, failures: 0 },
    get: () => undefined,
    entries: () => new Map<string, T>().entries(),
    synced: () => Promise.resolve(),
    onChange: () => () => undefined,
    onLive: () => () => undefined,
    stop: () => Promise.resolve(),
  };
}
