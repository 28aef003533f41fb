/** One operation at a time on each VM: within the process reading and writing a record is one step. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs a step after those of the same VM that were asked for before. */
  async take<T>(vm: string, step: () => Promise<T>): Promise<T> {
    const before = this.#last.get(vm) ?? Promise.resolve();
    const mine = before.then(step, step);
    this.#last.set(vm, mine);
    try {
      return await mine;
    } finally {
      if (this.#last.get(vm) === mine) this.#last.delete(vm);
    }
  }
}
