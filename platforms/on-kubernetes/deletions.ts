/** Tells answers of the API server that are older than a deletion which the watch has reported while the call was open. */
import type { KubernetesObject } from '../../kubernetes';

/** The deletions that matter to open calls. */
export class Deletions {
  /** Number of the deletion of each object, by uid. */
  readonly #numbers = new Map<string, number>();
  #last = 0;
  #open = 0;

  /** The watch has reported that an object is gone. */
  note({ metadata: { uid } }: KubernetesObject): void {
    this.#last += 1;
    if (this.#open > 0 && uid !== undefined) this.#numbers.set(uid, this.#last);
  }

  /** Makes a call, and takes its answer. `isGone`: an object in it was deleted since the call began. */
  async during<A, R>(
    call: () => Promise<A>,
    take: (answer: A, isGone: (object: KubernetesObject) => boolean) => R,
  ): Promise<R> {
    const before = this.#last;
    this.#open += 1;
    try {
      return take(await call(), ({ metadata }) => (this.#numbers.get(metadata.uid ?? '') ?? 0) > before);
    } finally {
      this.#open -= 1;
      if (this.#open === 0) this.#numbers.clear();
    }
  }
}
