/** Time limits of calls. */
import { setMaxListeners } from 'node:events';

/**
 * A signal that aborts with another one, or after a time. `end` ends both: what is still open then is given up, and no listener stays on the
 * other signal, which may live as long as the process (`AbortSignal.any` would leave one).
 */
export class TimeLimit {
  readonly #controller = new AbortController();
  readonly #parent: AbortSignal | undefined;
  readonly #abort = (): void => this.#controller.abort(this.#parent?.reason);
  #timer: NodeJS.Timeout | undefined;

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

  /** Begins again, with so many milliseconds from now. */
  restart(milliseconds: number): void {
    clearTimeout(this.#timer);
    const error = new Error(`no answer for ${milliseconds / 1000} s`);
    this.#timer = setTimeout(() => this.#controller.abort(error), milliseconds);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#parent?.removeEventListener('abort', this.#abort);
    this.#controller.abort();
  }
}
