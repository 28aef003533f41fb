/**
 * Reads the groups once for all viewers.
 *
 * HUB-1: groups are read once for all viewers, however many there are, and not at all without viewers.
 * HUB-2: a viewer is sent what changed since what it has. One that is too slow is disconnected, and asks again.
 * HUB-3: a read that fails or hangs leaves what is shown, and says since when it is not up to date.
 */
import { randomUUID } from 'node:crypto';
import type { Page } from '../page/page';
import { changedParts, joined, renderMain, type Rendered } from '../render';

/** What the hub needs. */
export interface HubOptions {
  /** Reads the groups and makes the page. */
  read: () => Promise<Page>;
  /** Milliseconds between two reads; default 1 s. */
  interval?: number;
}

/** Events that viewers are sent: the whole page, changed parts of it, or that nothing changed. */
export type HubEvent = 'main' | 'parts' | 'beat';

/** One viewer. */
export interface Viewer {
  /** Sends an event; false: the viewer does not keep up. */
  send(event: HubEvent, data: object, version: string): boolean;
  close(): void;
}

/** The page as it is shown, with its version. */
export interface Shown {
  page: Page;
  rendered: Rendered;
  version: string;
}

/** Milliseconds. */
const INTERVAL = 1_000;
/** A viewer that receives nothing for 15 s shows the connection as lost. */
const BEAT = 5_000;
/** A read that takes longer counts as failed. */
const READ_TIMEOUT = 10_000;

/** Reads, renders and sends while there is a viewer. */
export class Hub {
  readonly #read: () => Promise<Page>;
  readonly #interval: number;
  readonly #viewers = new Set<Viewer>();
  /** Versions of another process are never taken for those of this one. */
  readonly #boot = randomUUID().slice(0, 8);
  #count = 0;
  #shown: Shown | undefined;
  #readAt = -Infinity;
  #beatAt = -Infinity;
  #reading: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor({ read, interval = INTERVAL }: HubOptions) {
    this.#read = read;
    this.#interval = interval;
  }

  get viewers(): number {
    return this.#viewers.size;
  }

  /** The page, at most one interval old. Rejects with the error of the read if there is none yet. */
  async shown(): Promise<Shown> {
    if (performance.now() - this.#readAt >= this.#interval) await this.#refresh();
    if (!this.#shown) throw new Error('the groups cannot be read');
    return this.#shown;
  }

  /** Adds a viewer that has the page of a version. Returns the function that removes it. */
  async add(viewer: Viewer, version: string): Promise<() => void> {
    this.#viewers.add(viewer);
    this.#timer ??= setInterval(() => void this.#refresh().catch(() => undefined), this.#interval);
    try {
      const shown = await this.shown();
      if (this.#viewers.has(viewer)) this.#greet(viewer, shown, version);
    } catch {
      // The first read that works is sent to every viewer.
    }
    return () => this.#remove(viewer);
  }

  close(): void {
    for (const viewer of [...this.#viewers]) {
      this.#remove(viewer);
      viewer.close();
    }
  }

  #remove(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    if (this.#viewers.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #greet(viewer: Viewer, { rendered, version: current }: Shown, version: string): void {
    const at = Date.now();
    if (version === current) this.#send(viewer, 'beat', { at }, current);
    else this.#send(viewer, 'main', { at, html: joined(rendered) }, current);
  }

  /** One read at a time, for all who wait for it (HUB-1). Rejects only while there is no page. */
  #refresh(): Promise<void> {
    this.#reading ??= this.#readOnce().finally(() => {
      this.#readAt = performance.now();
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readOnce(): Promise<void> {
    try {
      this.#show(await within(READ_TIMEOUT, this.#read()));
    } catch (error: unknown) {
      if (!this.#shown) throw error;
      this.#showStale(this.#shown.page, error instanceof Error ? error.message : String(error));
    }
  }

  /** HUB-3. */
  #showStale(page: Page, why: string): void {
    if (page.freshness.state === 'Stale') this.#beat();
    else this.#show({ ...page, freshness: { state: 'Stale', since: page.at, why } });
  }

  #show(page: Page): void {
    const before = this.#shown;
    const rendered = renderMain(page);
    const parts = before && changedParts(before.rendered, rendered);
    if (before && parts?.length === 0) {
      this.#shown = { ...before, page };
      return this.#beat();
    }
    this.#count += 1;
    const version = `${this.#boot}-${this.#count}`;
    this.#shown = { page, rendered, version };
    const at = Date.now();
    if (parts) this.#broadcast('parts', { at, parts }, version);
    else this.#broadcast('main', { at, html: joined(rendered) }, version);
  }

  /** Says now and then that nothing changed. */
  #beat(): void {
    if (!this.#shown || performance.now() - this.#beatAt < BEAT) return;
    this.#broadcast('beat', { at: Date.now() }, this.#shown.version);
  }

  #broadcast(event: HubEvent, data: object, version: string): void {
    this.#beatAt = performance.now();
    for (const viewer of [...this.#viewers]) this.#send(viewer, event, data, version);
  }

  /** HUB-2. */
  #send(viewer: Viewer, event: HubEvent, data: object, version: string): void {
    if (viewer.send(event, data, version)) return;
    this.#remove(viewer);
    viewer.close();
  }
}

function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new Error(`no answer within ${milliseconds / 1000} s`));
    const timer = setTimeout(late, milliseconds);
    void work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
