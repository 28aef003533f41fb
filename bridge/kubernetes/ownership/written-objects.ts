/** Objects that were written and have not arrived over the watch yet. */
import { isOlder, type KubernetesObject, type ResourceCache } from '../../../kubernetes';

/** Milliseconds that the watch may lag behind. A server that was restored from a backup never sends what was written. */
const LONGEST_LAG = 30_000;

/**
 * Remembers what was written until the watch has it, so that nothing is written twice. An object is forgotten once the watch has caught up or
 * the object is gone.
 */
export class WrittenObjects {
  readonly #caches: readonly ResourceCache<KubernetesObject>[];
  /** By uid. */
  readonly #written = new Map<string, { object: KubernetesObject; at: number }>();

  constructor(caches: readonly ResourceCache<KubernetesObject>[]) {
    this.#caches = caches;
    for (const cache of caches) {
      cache.onChange(({ object, previous }) => {
        if (previous && object?.metadata.uid !== previous.metadata.uid) this.#written.delete(uidOf(previous));
        if (object && this.newest(object) === object) this.#written.delete(uidOf(object));
      });
    }
  }

  /** Remembers the object that a write returned. */
  add(object: KubernetesObject): void {
    const { namespace = '', name, uid } = object.metadata;
    const known = this.#caches
      .map((cache) => cache.get(`${namespace}/${name}`))
      .find((each) => each?.metadata.uid === uid);
    if (known && isOlder(known, object)) {
      // Spec and status may be large, and are not read from here.
      const { spec: _spec, status: _status, ...identity } = object;
      this.#written.set(uidOf(object), { object: identity, at: performance.now() });
    }
  }

  /** The newest version of an object: the written one while the watch lags behind. */
  newest(known: KubernetesObject): KubernetesObject {
    const written = this.#written.get(uidOf(known));
    const isFresh = written !== undefined && performance.now() - written.at < LONGEST_LAG;
    return isFresh && isOlder(known, written.object) ? written.object : known;
  }
}

function uidOf({ metadata }: KubernetesObject): string {
  return metadata.uid ?? '';
}
