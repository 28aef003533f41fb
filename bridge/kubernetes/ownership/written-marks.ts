/** What was written to objects and has not arrived over the watch yet. */
import { isOlder, type KubernetesObject } from '../../../kubernetes';
import type { ClusterObjects } from '../objects';

/** Keeps what was written until the watch has it, so that nothing is written twice. */
export interface WrittenMarks {
  /** Remembers the object that a write returned. */
  note: (written: KubernetesObject | undefined) => void;
  /** The newest version of an object that is known: the written one while the watch lags behind. */
  newest: (known: KubernetesObject) => KubernetesObject;
}

/** Milliseconds that the watch may lag behind. A server that was restored from a backup never brings what was written. */
const LONGEST_LAG = 30_000;

/** Makes an empty memory of writes to groups and VMs. An object is forgotten once the watch has caught up or the object is gone. */
export function writtenMarks({ machines, groups }: ClusterObjects): WrittenMarks {
  const written = new Map<string, { object: KubernetesObject; at: number }>();
  const uidOf = ({ metadata }: KubernetesObject): string => metadata.uid ?? '';
  const newest = (known: KubernetesObject): KubernetesObject => {
    const mark = written.get(uidOf(known));
    const isFresh = mark !== undefined && performance.now() - mark.at < LONGEST_LAG;
    return isFresh && isOlder(known, mark.object) ? mark.object : known;
  };
  const caches = [machines, groups];
  for (const cache of caches) {
    cache.onChange(({ object, previous }) => {
      if (previous && object?.metadata.uid !== previous.metadata.uid) written.delete(uidOf(previous));
      if (object && newest(object) === object) written.delete(uidOf(object));
    });
  }
  return {
    note: (object) => {
      if (!object) return;
      const { namespace = '', name, uid } = object.metadata;
      const known = caches
        .map((cache) => cache.get(`${namespace}/${name}`))
        .find((each) => each?.metadata.uid === uid);
      if (known && isOlder(known, object)) {
        written.set(uidOf(object), { object: { metadata: object.metadata }, at: performance.now() });
      }
    },
    newest,
  };
}
