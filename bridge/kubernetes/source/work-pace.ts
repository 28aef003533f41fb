/** Spreads work over time: some is done at once, the rest in a share of the time. Times are milliseconds of one clock. */

/** While there is always work, it gets one millisecond in this many. */
const SHARE = 5;
/** Milliseconds of work that are done at once all the same: a few changes need not wait for each other. */
const AT_ONCE = 200;

/** The pace of one kind of work. */
export class WorkPace {
  /** Milliseconds of work that are not paid for by the passing of time yet, as of `at`. */
  #owed = 0;
  #at = 0;

  /** How long the next work has to wait. */
  wait(now: number): number {
    this.#settleUp(now);
    return Math.max(0, (this.#owed - AT_ONCE) * SHARE);
  }

  /** There was work from one time to another. */
  worked(from: number, to: number): void {
    this.#settleUp(to);
    this.#owed += to - from;
  }

  #settleUp(now: number): void {
    this.#owed = Math.max(0, this.#owed - (now - this.#at) / SHARE);
    this.#at = now;
  }
}
