/** Views of groups that are followed only while a client asks for them. */
import type { GroupView } from '../../bridge';
import { followViews } from '../groups';
import type { GroupOptions } from '../options';

/** Milliseconds without a question after which nothing is followed any more. */
const IDLE = 15_000;

type Feed = Awaited<ReturnType<typeof followViews>>;

/** Follows all groups of the options from the first question on, and stops when no client has asked for a while. */
export class IdleFeed {
  readonly #options: GroupOptions;
  readonly #note: (message: string) => void;
  readonly #idle: number;
  #feed: Promise<Feed> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: GroupOptions, note: (message: string) => void, idle = IDLE) {
    this.#options = options;
    this.#note = note;
    this.#idle = idle;
  }

  /** The views now. Throws as {@link followViews}. */
  async views(): Promise<GroupView[]> {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.close(), this.#idle);
    this.#timer.unref();
    const feed = (this.#feed ??= followViews(undefined, this.#options, this.#note));
    try {
      return await (await feed).views();
    } catch (error: unknown) {
      // The next question tries again.
      if (this.#feed === feed) this.#feed = undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const feed = this.#feed;
    this.#feed = undefined;
    await (await feed?.catch(() => undefined))?.close();
  }
}
