/**
 * Time limits of calls to servers.
 *
 * LIMIT-1: a process does not take its own pauses for the silence of a server. Where it was suspended, or its thread was busy, little of that
 *     time counts, and what has arrived meanwhile is read before a limit ends.
 */
import { setMaxListeners } from 'node:events';

/** Milliseconds between two looks at the clock. */
const PART = 250;
/** Milliseconds that count at most, however long it took until the next look. */
const MOST = 500;

/**
 * A signal that aborts with another one, or after a time. `end` ends both: what is still open then is given up, and no listener stays on the
 * other signal, which may live as long as the process (`AbortSignal.any` would leave one).
 */
export class TimeLimit {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal | undefined;
  readonly #abort = (): void => this.#controller.abort(this.#parent?.reason);
  #isOver = false;
  #timer: NodeJS.Timeout | undefined;
  #last: NodeJS.Immediate | undefined;

  constructor(milliseconds: number, parent: AbortSignal | undefined) {
    this.#parent = parent;
    this.restart(milliseconds);
    if (!parent) return;
    // Each call in progress has one, and takes it away: Node would warn of a leak from the eleventh on.
    setMaxListeners(0, parent);
    parent.addEventListener('abort', this.#abort);
    if (parent.aborted) this.#abort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether the time ended the signal. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Begins again, with so many milliseconds from now. */
  restart(milliseconds: number): void {
    this.#stop();
    this.#wait(milliseconds, milliseconds);
  }

  /** Aborts the signal, if it has not aborted. */
  end(): void {
    this.#stop();
    this.#parent?.removeEventListener('abort', this.#abort);
    this.#controller.abort();
  }

  /** LIMIT-1. */
  #wait(left: number, limit: number): void {
    const since = performance.now();
    const passed = (): void => {
      const still = left - Math.min(performance.now() - since, MOST);
      if (still > 0) return this.#wait(still, limit);
      // Node reads from sockets between its timers and its immediates.
      this.#last = setImmediate(() => {
        if (this.signal.aborted) return;
        this.#isOver = true;
        this.#controller.abort(new Error(`no answer for ${limit / 1_000} s`));
      });
    };
    this.#timer = setTimeout(passed, Math.min(left, PART));
  }

  #stop(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#last);
  }
}
