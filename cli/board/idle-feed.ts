/** Views of groups that are followed only while a client asks for them. */
import type { GroupView } from '../../bridge';
import { followViews } from '../groups';
import type { GroupOptions } from '../options';

/** Milliseconds without a request after which nothing is followed. */
const IDLE = 15_000;

type Feed = Awaited<ReturnType<typeof followViews>>;

/** Follows all groups of the options from the first request on, and stops when there was none for a while. */
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
      // The next request tries again.
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
