/**
 * Calls to one server, a bounded number at a time.
 *
 * TURN-1: a bounded number of calls is in progress; the others wait in order, and the time limit of each begins with its turn. A slow server then
 *     answers all of them in the end; sent together, they would time out together and be repeated.
 * TURN-2: a server that is silent keeps no call waiting for long: when a call has had no answer in its time, and no other call has had one since it
 *     began, those that have waited for half that time fail too.
 */
import PQueue from 'p-queue';
import { TimeLimit } from '../limits';

/** Thrown for a call that was not made, since the server answers none (TURN-2). */
export class SilentServerError extends Error {
  override readonly name = 'SilentServerError';
  /** @param waited milliseconds. */
  constructor(waited: number) {
    super(`not sent: waited ${Math.round(waited / 1_000)} s for its turn while the server answered no call`);
  }
}

/** How a call is made. */
export interface TurnOptions {
  /** Milliseconds that the call has from its turn on (LIMIT-1). */
  limit: number;
  signal?: AbortSignal | undefined;
}

/** A call that waits. */
interface Waiting {
  since: number;
  leave: AbortController;
}

/** The turns of one server. */
export class CallTurns {
  readonly #queue: PQueue;
  readonly #waiting = new Set<Waiting>();
  /** When the server answered last, by the clock of running time. */
  #answeredAt = -Infinity;

  /** @param atOnce calls in progress, at most. */
  constructor(atOnce: number) {
    this.#queue = new PQueue({ concurrency: atOnce });
  }

  /**
   * Makes a call in its turn, and resolves or rejects as it does: the call gets a signal that aborts once its time is over, or with `signal`. A
   * call that is still waiting rejects with the reason of `signal` once that aborts.
   *
   * @throws SilentServerError
   */
  async take<T>(call: (signal: AbortSignal) => Promise<T>, options: TurnOptions): Promise<T> {
    const { signal } = options;
    const place = { since: performance.now(), leave: new AbortController() };
    const abort = (): void => place.leave.abort(signal?.reason);
    const leave = (): void => {
      this.#waiting.delete(place);
      signal?.removeEventListener('abort', abort);
    };
    this.#waiting.add(place);
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    const turn = (): Promise<T> => {
      leave();
      return this.#made(call, options);
    };
    try {
      return await this.#queue.add(turn, { signal: place.leave.signal });
    } finally {
      leave();
    }
  }

  async #made<T>(call: (signal: AbortSignal) => Promise<T>, { limit, signal }: TurnOptions): Promise<T> {
    const begun = performance.now();
    const time = new TimeLimit(limit, signal);
    try {
      const answer = await call(time.signal);
      this.#answeredAt = performance.now();
      return answer;
    } catch (error: unknown) {
      const now = performance.now();
      if (!time.signal.aborted) this.#answeredAt = now;
      else if (time.isOver && this.#answeredAt < begun) this.#giveUp(now - limit / 2);
      throw error;
    } finally {
      time.end();
    }
  }

  /** TURN-2: those that have waited since `latest`, or longer. */
  #giveUp(latest: number): void {
    for (const { since, leave } of this.#waiting)
      if (since <= latest) leave.abort(new SilentServerError(performance.now() - since));
  }
}
