/**
 * Work by key: a key that is added while it waits is worked on once, one that is added during its work once more. One piece of work of a
 * key at a time, and a bounded number in all.
 */

import { timerDelay } from './timer';

/** A queue of keys. */
export interface KeyQueue {
  /** Asks for work on a key, after `delay` milliseconds (default: at once). An earlier time that is asked for already stays. */
  add(key: string, delay?: number): void;
  /** Takes nothing more; resolves once nothing is worked on. */
  stop(): Promise<void>;
}

/** Makes a queue. `work` must not reject. */
export function keyQueue(concurrency: number, work: (key: string) => Promise<void>): KeyQueue {
  const timers = new Map<string, { timer: NodeJS.Timeout; at: number }>();
  const ready = new Set<string>();
  const open = new Map<string, Promise<void>>();
  /** Keys that were added during their work, with the time asked for. */
  const again = new Map<string, number>();
  let stopped = false;

  function add(key: string, delay = 0): void {
    if (stopped || ready.has(key)) return;
    const at = Date.now() + delay;
    if (open.has(key)) return void again.set(key, Math.min(at, again.get(key) ?? at));
    const waiting = timers.get(key);
    if (waiting && waiting.at <= at) return;
    clearTimeout(waiting?.timer);
    timers.delete(key);
    if (delay > 0) {
      const timer = setTimeout(() => due(key), timerDelay(delay));
      timers.set(key, { timer, at });
    } else due(key);
  }

  function due(key: string): void {
    timers.delete(key);
    ready.add(key);
    begin();
  }

  function begin(): void {
    for (const key of ready) {
      if (open.size >= concurrency || stopped) return;
      ready.delete(key);
      open.set(
        key,
        // Not in this turn of the loop: what the work adds itself must find the key taken.
        Promise.resolve()
          .then(() => work(key))
          .finally(() => end(key)),
      );
    }
  }

  function end(key: string): void {
    open.delete(key);
    const at = again.get(key);
    again.delete(key);
    if (at !== undefined) add(key, Math.max(0, at - Date.now()));
    begin();
  }

  return {
    add,
    stop: async () => {
      stopped = true;
      for (const { timer } of timers.values()) clearTimeout(timer);
      timers.clear();
      ready.clear();
      await Promise.all(open.values());
    },
  };
}
