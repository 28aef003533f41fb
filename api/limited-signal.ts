/** Signals with a time limit. */

/**
 * What each signal was made of. Node 20 keeps the sources of `AbortSignal.any` weakly: without this, the garbage collector takes a time-out
 * that nothing else refers to, with its timer.
 */
const sources = new WeakMap<AbortSignal, readonly AbortSignal[]>();

/** Longest delay that a Node timer takes, milliseconds: a longer one would fire at once. */
export const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * A signal that aborts after so many milliseconds, and with `signal` if that aborts first. It keeps no process running. A limit beyond 24 days, the
 * longest time of a timer, is one of 24 days.
 */
export function limited(milliseconds: number, signal?: AbortSignal): AbortSignal {
  const timeout = AbortSignal.timeout(Math.min(milliseconds, LONGEST_TIMER));
  if (!signal) return timeout;
  const either = AbortSignal.any([signal, timeout]);
  // `signal` too: it may have a time limit of its own, and another signal like this one is collected in the same way.
  sources.set(either, [signal, timeout]);
  return either;
}
