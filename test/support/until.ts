/** How tests wait for something that happens elsewhere. */
import { setTimeout as sleep } from 'node:timers/promises';

/** What {@link until} may be told; all of it has a default. */
export interface UntilOptions {
  /** How long at most; by default a little less than a test may take, so that nothing goes on after a failed test. */
  seconds?: number;
  /** Milliseconds between two looks. */
  every?: number;
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
  { seconds = 50, every = 20, context }: UntilOptions = {},
): Promise<Exclude<T, undefined | false>> {
  for (const end = Date.now() + seconds * 1_000; ; await sleep(every)) {
    const seen = await look();
    if (isSomething(seen)) return seen;
    if (Date.now() > end)
      throw new Error(`waited ${seconds} s for ${saying}${context ? `; ${context()}` : ''}`);
  }
}

function isSomething<T>(seen: T): seen is Exclude<T, undefined | false> {
  return seen !== undefined && seen !== false;
}
