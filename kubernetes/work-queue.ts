/**
 * A queue of keys, such as names of objects to reconcile.
 *
 * QUEUE-1: a key is worked on once at a time. Added while it waits, it is worked on once; added during its work, it is worked on again.
 * QUEUE-2: a bounded number of keys is worked on at once. Keys that are due start in order.
 * QUEUE-3: a key that fails is requeued, after a pause that grows with each failure in a row. The others go on meanwhile.
 */
import PQueue from 'p-queue';
import { timerDelay } from './clocks';

/** What a {@link WorkQueue} does with its keys. Times are milliseconds. */
export interface WorkQueueOptions {
  /** Keys that are worked on at once, at most. */
  concurrency: number;
  work: (key: string) => Promise<void>;
  /** Called when the work on a key failed, before the pause. */
  onError: (key: string, error: unknown, retryIn: number) => void;
  /** The pause after so many failures in a row; default {@link doublingPause} from 250 ms to 2 s. */
  pause?: (failures: number, error: unknown) => number;
}

/** A pause that doubles with each failure in a row, from `first` to at most `longest`. */
export function doublingPause(failures: number, first: number, longest: number): number {
  return Math.min(first * 2 ** (failures - 1), longest);
}

/** A queue of keys. */
export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #running: PQueue;
  /** Keys that are not due yet. */
  readonly #timers = new Map<string, { timer: NodeJS.Timeout; at: number }>();
  /** Keys that are due and wait for a place. */
  readonly #ready = new Set<string>();
  /** Keys that are worked on, with the time at which they are due again, or Infinity. */
  readonly #open = new Map<string, number>();
  readonly #failures = new Map<string, number>();
  #stopped = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
    this.#running = new PQueue({ concurrency: options.concurrency });
  }

  /** Keys that are due and wait, are worked on, and are due later. */
  get depth(): { waiting: number; working: number; later: number } {
    return { waiting: this.#ready.size, working: this.#open.size, later: this.#timers.size };
  }

  /** Asks for work on a key after `delay` milliseconds (default: at once). If an earlier time was asked for, that stays. */
  add(key: string, delay = 0): void {
    if (this.#stopped || this.#ready.has(key)) return;
    const at = performance.now() + delay;
    const again = this.#open.get(key);
    if (again !== undefined) return void this.#open.set(key, Math.min(at, again));
    const waiting = this.#timers.get(key);
    if (waiting && waiting.at <= at) return;
    clearTimeout(waiting?.timer);
    // A timer even without a delay: the caller finishes first.
    this.#timers.set(key, { timer: setTimeout(() => this.#due(key), timerDelay(delay)), at });
  }

  /** Works on all keys that wait, without their delay. Resolves once nothing is worked on; what is due later by then is dropped. */
  async flush(): Promise<void> {
    for (const [key, { timer }] of this.#timers) {
      clearTimeout(timer);
      this.#due(key);
    }
    await this.#running.onIdle();
    this.#dropDelayed();
  }

  /** Drops what waits. Resolves once nothing is worked on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#dropDelayed();
    this.#ready.clear();
    this.#running.clear();
    await this.#running.onIdle();
  }

  #dropDelayed(): void {
    for (const { timer } of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #due(key: string): void {
    this.#timers.delete(key);
    this.#ready.add(key);
    void this.#running.add(() => this.#run(key));
  }

  async #run(key: string): Promise<void> {
    this.#ready.delete(key);
    this.#open.set(key, Infinity);
    try {
      await this.#options.work(key);
      this.#failures.delete(key);
    } catch (error: unknown) {
      this.#failed(key, error);
    }
    const again = (this.#open.get(key) ?? Infinity) - performance.now();
    this.#open.delete(key);
    if (again <= 0 && !this.#stopped) this.#due(key);
    else if (again < Infinity) this.add(key, again);
  }

  #failed(key: string, error: unknown): void {
    const { onError, pause = (count: number) => doublingPause(count, 250, 2_000) } = this.#options;
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const retryIn = pause(failures, error);
    onError(key, error, retryIn);
    this.add(key, retryIn);
  }
}
