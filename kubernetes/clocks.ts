/**
 * Time that passed on this machine, by two clocks: the running time may stand still while a machine is suspended, and the time of day may be
 * set back. The one that has gone further counts.
 */

/** A moment by both clocks, in milliseconds. */
export interface Moment {
  running: number;
  day: number;
}

/** Now. */
export function moment(): Moment {
  return { running: performance.now(), day: Date.now() };
}

/** Milliseconds since then, by the clock that has gone further. */
export function since({ running, day }: Moment): number {
  return Math.max(performance.now() - running, Date.now() - day);
}
