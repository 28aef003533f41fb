/** When each tree is reconciled. */
import type { ObjectName } from '../api';
import { WorkQueue } from '../kubernetes';
import { objectKey, splitKey, type ObjectKey } from './manifests';

/** Milliseconds for which changes of one tree are gathered before it is reconciled, at least. */
const GATHER = 50;
/** While a large tree changes all the time, the bridge works on it one part in this many of the time. */
const SHARE = 5;
/** Most trees that are reconciled at once. */
const TREES = 200;

/** What {@link TreeQueue} needs. */
export interface TreeQueueOptions {
  /** Whether enough is known to reconcile trees. */
  isOpen: () => boolean;
  /** The topmost group of a group's tree. */
  topOf: (group: ObjectName) => ObjectName;
  work: (key: ObjectKey) => Promise<void>;
  /** Called when the work on a tree failed, before it is requeued. */
  onError: (key: ObjectKey, error: unknown, retryIn: number) => void;
}

/** A queue of trees, by the keys of their topmost groups. */
export class TreeQueue {
  readonly #options: TreeQueueOptions;
  readonly #queue: WorkQueue;
  /** Milliseconds for which the last pass kept the thread. */
  #lastPass = 0;

  constructor(options: TreeQueueOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({ concurrency: TREES, work: options.work, onError: options.onError });
  }

  /** Something about a group changed: its tree is reconciled after so many milliseconds, by default once the changes are gathered. */
  touch(group: ObjectName, delay = Math.max(GATHER, SHARE * this.#lastPass)): void {
    const { isOpen, topOf } = this.#options;
    if (isOpen()) this.#queue.add(objectKey(topOf(group)), delay);
  }

  touchAll(keys: Iterable<ObjectKey>): void {
    for (const key of new Set(keys)) this.touch(splitKey(key), 0);
  }

  /** Trees that are queued, being reconciled, and due later. */
  get depth(): WorkQueue['depth'] {
    return this.#queue.depth;
  }

  /** A pass kept the thread for so many milliseconds. */
  took(time: number): void {
    this.#lastPass = time;
  }

  /** Resolves once nothing is worked on. */
  stop(): Promise<void> {
    return this.#queue.stop();
  }
}
