/** Answers of an API server that its watch has not brought yet. */

/** Milliseconds for which an answer counts (NEWEST-3): after that the cache has it, or the server was restored to an older state. */
const LONGEST_LAG = 60_000;

/** What the answers are compared with. */
export interface AnswersAheadOptions<T> {
  /** Whether the watch is open: while it is not, answers stay, as nothing later arrives. */
  isLive: () => boolean;
  /** Called once an answer no longer counts although the watch has not brought it. */
  expired: (key: string, answer: T) => void;
}

/** One answer for each key, until the watch has caught up with it or {@link LONGEST_LAG} is over. */
export class AnswersAhead<T> {
  readonly #options: AnswersAheadOptions<T>;
  readonly #answers = new Map<string, { answer: T; end: NodeJS.Timeout }>();

  constructor(options: AnswersAheadOptions<T>) {
    this.#options = options;
  }

  get(key: string): T | undefined {
    return this.#answers.get(key)?.answer;
  }

  keys(): IterableIterator<string> {
    return this.#answers.keys();
  }

  set(key: string, answer: T): void {
    this.delete(key);
    this.#answers.set(key, { answer, end: setTimeout(() => this.#expire(key), LONGEST_LAG).unref() });
  }

  delete(key: string): void {
    clearTimeout(this.#answers.get(key)?.end);
    this.#answers.delete(key);
  }

  close(): void {
    for (const key of [...this.#answers.keys()]) this.delete(key);
  }

  #expire(key: string): void {
    const known = this.#answers.get(key);
    if (!known) return;
    if (!this.#options.isLive()) return void known.end.refresh();
    this.#answers.delete(key);
    this.#options.expired(key, known.answer);
  }
}
