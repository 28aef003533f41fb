/**
 * Work by key: a key that is added again while it waits is done once; while it is worked on it is done once more; a key that fails
 * comes back after a pause that doubles. At most one piece of work of a key at a time.
 */

/** A queue of keys. Times are milliseconds. */
export interface WorkQueue {
  /** Asks for work on a key, after `delay` (default: at once). An earlier time that is asked for already stays. */
  add(key: string, delay?: number): void;
  /** Stops; resolves once nothing is worked on. */
  stop(): Promise<void>;
}

const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 2_000;

/** Makes a queue. `work` is called with each key; where it rejects, `onError` is told and the key comes back. */
export function workQueue(
  work: (key: string) => Promise<void>,
  onError: (key: string, error: unknown, retryIn: number) => void,
): WorkQueue {
  const timers = new Map<string, { timer: NodeJS.Timeout; at: number }>();
  const open = new Map<string, Promise<void>>();
  const again = new Map<string, number>();
  const failures = new Map<string, number>();
  let stopped = false;

  function add(key: string, delay = 0): void {
    if (stopped) return;
    const at = performance.now() + delay;
    if (open.has(key)) {
      again.set(key, Math.min(at, again.get(key) ?? at));
      return;
    }
    const waiting = timers.get(key);
    if (waiting && waiting.at <= at) return;
    clearTimeout(waiting?.timer);
    timers.set(key, { timer: setTimeout(() => begin(key), delay), at });
  }

  function begin(key: string): void {
    timers.delete(key);
    // Not in this turn of the loop: what the work adds itself must find the key taken.
    const done = Promise.resolve()
      .then(() => work(key))
      .then(
        () => void failures.delete(key),
        (error: unknown) => {
          const count = (failures.get(key) ?? 0) + 1;
          failures.set(key, count);
          const pause = Math.min(FIRST_PAUSE * 2 ** (count - 1), LONGEST_PAUSE);
          onError(key, error, pause);
          again.set(key, performance.now() + pause);
        },
      );
    open.set(
      key,
      done.then(() => {
        open.delete(key);
        const at = again.get(key);
        again.delete(key);
        if (at !== undefined) add(key, Math.max(0, at - performance.now()));
      }),
    );
  }

  async function stop(): Promise<void> {
    stopped = true;
    for (const { timer } of timers.values()) clearTimeout(timer);
    timers.clear();
    await Promise.all(open.values());
  }

  return { add, stop };
}
