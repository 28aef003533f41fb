/** Notices another controller that writes the status of groups. */
import type { ObjectName } from '../../api';
import { splitKey, type ObjectKey } from '../manifests';
import type { ClusterObjects, GroupObject } from './objects';

/** Milliseconds between two warnings about one group. */
const PAUSE = 600_000;

/** Warns of groups whose status another controller writes too. */
export class ContestedStatus {
  readonly #isLeader: () => boolean;
  readonly #onContested: (group: ObjectName, message: string) => void;
  /** By the clock of running time. */
  readonly #warnedAt = new Map<ObjectKey, number>();

  /** Follows the groups from now on. */
  constructor(
    groups: ClusterObjects['groups'],
    isLeader: () => boolean,
    onContested: (group: ObjectName, message: string) => void,
  ) {
    this.#isLeader = isLeader;
    this.#onContested = onContested;
    groups.onChange(({ key, object }) => this.#onChange(key, object));
  }

  #onChange(key: ObjectKey, object: GroupObject | undefined): void {
    if (!object) this.#warnedAt.delete(key);
    if (!object?.other?.active || !this.#isLeader()) return;
    const before = this.#warnedAt.get(key) ?? -Infinity;
    if (performance.now() - before < PAUSE) return;
    this.#warnedAt.set(key, performance.now());
    this.#onContested(
      splitKey(key),
      `${object.other.manager} writes the status of this group too: only one controller may act on a group. ` +
        'vmgroup doctor --for bridge shows more; see docs/how-to/beside-vm-operator.md',
    );
  }
}
