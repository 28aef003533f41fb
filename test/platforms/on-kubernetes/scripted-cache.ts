/** A cache that has what the test puts into it. */
import { emptyCache, type CacheChange, type ResourceCache, RESOURCES } from '../../../kubernetes';

/** See the module. It is live from the start. */
export class ScriptedCache<T> {
  live = true;
  readonly #objects = new Map<string, T>();
  readonly #listeners = new Set<(change: CacheChange<T>) => void>();

  /** What reads of it. */
  get cache(): ResourceCache<T> {
    const isLive = (): boolean => this.live;
    return {
      ...emptyCache<T>(RESOURCES.virtualMachines),
      get live() {
        return isLive();
      },
      get: (key) => this.#objects.get(key),
      entries: () => this.#objects.entries(),
      onChange: (listener) => {
        this.#listeners.add(listener);
        return () => void this.#listeners.delete(listener);
      },
    };
  }

  /** The watch brings a version. */
  put(key: string, object: T): void {
    const previous = this.#objects.get(key);
    this.#objects.set(key, object);
    for (const listener of this.#listeners) listener({ key, object, previous });
  }

  /** The watch brings a deletion. */
  remove(key: string): void {
    const previous = this.#objects.get(key) as T;
    this.#objects.delete(key);
    for (const listener of this.#listeners) listener({ key, object: undefined, previous });
  }
}
