/** How tests wait for something that happens elsewhere. */
import { setTimeout as sleep } from 'node:timers/promises';

/** What {@link until} may be told; all of it has a default. */
export interface UntilOptions {
  /** How long at most; by default a little less than a test may take, so that nothing continues after a failed test. */
  seconds?: number;
  /** Milliseconds between two looks at first. */
  every?: number;
  /** Milliseconds between two looks at most: the pause grows to a fiftieth of the time that was waited, because a look costs CPU time. */
  slowest?: number;
  /** What else an error tells, such as the end of a log. */
  context?: () => string;
}

/**
 * Looks until there is something to see: neither undefined nor false. `saying` is what an error says was waited for, by default the text of
 * the function.
 *
 * @returns what was seen.
 * @throws Error when the time is over.
 */
export async function until<T>(
  look: () => T | Promise<T>,
  saying = look.toString(),
  { seconds = 100, every = 20, slowest = 250, context }: UntilOptions = {},
): Promise<Exclude<T, undefined | false>> {
  for (const begin = Date.now(); ;) {
    const seen = await look();
    if (isSomething(seen)) return seen;
    const waited = Date.now() - begin;
    if (waited > seconds * 1_000)
      throw new Error(`waited ${seconds} s for ${saying}${context ? `; ${context()}` : ''}`);
    await sleep(Math.max(every, Math.min(slowest, waited / 50)));
  }
}

function isSomething<T>(seen: T): seen is Exclude<T, undefined | false> {
  return seen !== undefined && seen !== false;
}
