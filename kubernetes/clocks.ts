/** Clocks and timers of this machine. */

/**
 * A moment by two clocks, in milliseconds: the running time may stand still while a machine is suspended, and the time of day may be set
 * back.
 */
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

/** Part of its speed at which a {@link SteadyClock} runs while it is ahead of the time of day. */
const SLOWED = 0.9;

/**
 * The time of day as it goes on in this process: a clock that is set back neither turns it back nor stops it. It runs a tenth slower until the
 * clock has caught up.
 */
export class SteadyClock {
  #day: number;
  #running = performance.now();

  /** @param notBefore Milliseconds since the epoch. */
  constructor(notBefore = 0) {
    this.#day = Math.max(Date.now(), notBefore);
  }

  /** Milliseconds since the epoch. */
  now(): number {
    const running = performance.now();
    this.#day = Math.max(Date.now(), this.#day + (running - this.#running) * SLOWED);
    this.#running = running;
    return Math.floor(this.#day);
  }
}

/** Longest delay of a timer of Node, milliseconds. A timer with a longer one fires at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

/**
 * The delay of a timer for something that is due in so many milliseconds, also in the past or the far future. It may fire too early: its
 * callback has to compare the time again.
 */
export function timerDelay(milliseconds: number): number {
  return Math.min(Math.max(milliseconds, 0), LONGEST_TIMER);
}
