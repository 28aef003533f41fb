/** Signals with a time limit, what they end, and the longest delay of a timer. */

/**
 * What each signal was made of. Node 20 keeps the sources of `AbortSignal.any` weakly: without this, the garbage collector takes a time-out
 * that nothing else refers to, with its timer.
 */
const sources = new WeakMap<AbortSignal, readonly AbortSignal[]>();

/** Longest delay of a timer, milliseconds: one with a longer delay fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * The delay of a timer for something that is due in so many milliseconds, also in the past or the far future. It may fire too early: where that
 * matters, its callback has to compare the time again.
 */
export function timerDelay(milliseconds: number): number {
  return Math.min(Math.max(milliseconds, 0), LONGEST_TIMER);
}

/**
 * A signal that aborts after so many milliseconds, and with `signal` if that aborts first. It keeps no process running. A limit beyond 24 days, the
 * longest time of a timer, is one of 24 days.
 */
export function limited(milliseconds: number, signal?: AbortSignal): AbortSignal {
  const timeout = AbortSignal.timeout(timerDelay(milliseconds));
  if (!signal) return timeout;
  const either = AbortSignal.any([signal, timeout]);
  // `signal` too: it may have a time limit of its own, and another signal like this one is collected in the same way.
  sources.set(either, [signal, timeout]);
  return either;
}

/**
 * What `work` comes to, or a rejection with the reason of `signal` once that aborts; the work itself continues, and what it comes to then is not
 * looked at.
 */
export function orAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
  });
}
