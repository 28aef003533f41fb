/** The steps that a search may still take, and the clock that stops it should they take too long. */
export class Budget {
  /** Steps taken. */
  steps = 0;
  /** The safety stop has ended the search. */
  stoppedByClock = false;
  readonly #end: number;
  #nextLook = 0;

  /** @param milliseconds after which the clock ends it. */
  constructor(
    public limit: number,
    milliseconds: number,
  ) {
    this.#end = performance.now() + milliseconds;
  }

  /** What `search` does with at most `limit` steps of its own, until the clock of this budget ends; its steps count here too. */
  spend<T>(limit: number, search: (part: Budget) => T): T {
    const part = new Budget(limit, this.#end - performance.now());
    const result = search(part);
    this.steps += part.steps;
    this.stoppedByClock ||= part.stoppedByClock;
    return result;
  }

  /** Whether no step is left. The clock is only looked at now and then. */
  get isOver(): boolean {
    if (this.steps >= this.limit || this.stoppedByClock) return true;
    if (this.steps >= this.#nextLook) {
      this.#nextLook = this.steps + 10_000;
      this.stoppedByClock = performance.now() > this.#end;
    }
    return this.stoppedByClock;
  }

  /** As {@link isOver}, by the clock of now: for use between searches, as one may take few steps and long. */
  get isOverNow(): boolean {
    this.#nextLook = 0;
    return this.isOver;
  }
}
