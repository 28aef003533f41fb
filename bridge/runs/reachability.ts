/** Whether the Temporal server answers. */
import { pause } from './pause';
import { isUnanswered } from './server-calls';

/** Milliseconds between two pings. */
const PING_INTERVAL = 5_000;

/** Learns from each call whether the server answers, and pings it in between (RUNS-5). */
export class Reachability {
  readonly #onChange: (reachable: boolean, error?: unknown) => void;
  readonly #closing = new AbortController();
  readonly #pinging: Promise<void>;
  #reachable = true;

  /** `ping` rejects if the server does not answer. `onChange` is called when the server stops answering, and when it answers again. */
  constructor(ping: () => Promise<void>, onChange: (reachable: boolean, error?: unknown) => void) {
    this.#onChange = onChange;
    this.#pinging = this.#keepPinging(ping);
  }

  /** Whether the server answered the last call. */
  get isReachable(): boolean {
    return this.#reachable;
  }

  /** Makes a call, and notes whether the server answered. Rejects as the call does. */
  async call<T>(make: () => Promise<T>): Promise<T> {
    try {
      const result = await make();
      this.note(true);
      return result;
    } catch (error: unknown) {
      this.note(false, error);
      throw error;
    }
  }

  /** A call was answered, or failed with this error. */
  note(answered: boolean, error?: unknown): void {
    const reachable = answered || !isUnanswered(error);
    if (reachable === this.#reachable || this.#closing.signal.aborted) return;
    this.#reachable = reachable;
    this.#onChange(reachable, error);
  }

  async stop(): Promise<void> {
    this.#closing.abort();
    await this.#pinging;
  }

  async #keepPinging(ping: () => Promise<void>): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      await pause(PING_INTERVAL, signal);
      if (signal.aborted) return;
      await this.call(ping).catch(() => undefined);
    }
  }
}
