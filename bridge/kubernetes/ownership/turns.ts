/** Work of one key in turn. */

/** Runs one piece of work of a key at a time, in the order in which they were asked for. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>();

  /** Resolves or rejects as the work does. */
  async run(key: string, work: () => Promise<void>): Promise<void> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).catch(() => undefined).then(work);
    this.#last.set(key, turn);
    try {
      await turn;
    } finally {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    }
  }
}
