/** Timers that are set to a point in time. */

/** Longest delay that a timer of Node takes, milliseconds. One that is set to a longer delay fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * The delay of a timer for something that is due in so many milliseconds, past or far future included. It may fire too early: whatever it
 * calls looks at the time again.
 */
export function timerDelay(milliseconds: number): number {
  return Math.min(Math.max(milliseconds, 0), LONGEST_TIMER);
}
