/** The groups on the display of `vmgroup watch`. */
import type { GroupView } from '../../bridge';
import type { PastRun } from '../../insight';
import { groupName, type PastRuns } from '../groups';
import * as lazy from '../lazy';
import type { Display } from '../live-display';

/** Shows groups. Their past is read in the background, one group after the other: what happens now does not wait for it. */
export class ShownGroups {
  readonly #display: Display;
  readonly #past: Pick<PastRuns, 'of' | 'close'>;
  readonly #views = new Map<string, GroupView>();
  /** By group: as it was last read. */
  readonly #pasts = new Map<string, readonly PastRun[]>();
  /** Groups whose past is to be read. */
  readonly #unread = new Set<string>();
  #reading: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** @param past where the past is read; closed with the groups. */
  constructor(display: Display, past: Pick<PastRuns, 'of' | 'close'>) {
    this.#display = display;
    this.#past = past;
  }

  /** Shows the groups that are new or changed, with the events between the two views, and removes those that are gone. */
  update(views: readonly GroupView[]): void {
    for (const view of views) this.#show(view);
    const present = new Set(views.map(groupName));
    for (const [name, { metadata }] of this.#views) {
      if (present.has(name)) continue;
      this.#views.delete(name);
      this.#pasts.delete(name);
      this.#display.forget(metadata);
    }
  }

  /** Shows nothing more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    // Ends a call that is under way.
    await this.#past.close();
    await this.#reading;
    await this.#past.close();
  }

  #show(view: GroupView): void {
    const name = groupName(view);
    const before = this.#views.get(name);
    if (JSON.stringify(before) === JSON.stringify(view)) return;
    this.#views.set(name, view);
    this.#display.show(view, this.#pasts.get(name));
    for (const event of lazy.bridge().viewEvents(before, view))
      this.#display.event({ time: Date.now(), ...event });
    this.#read(name);
  }

  #read(name: string): void {
    if (this.#unread.has(name)) return;
    this.#unread.add(name);
    this.#reading = this.#reading.then(async () => {
      this.#unread.delete(name);
      const view = this.#views.get(name);
      const past = view && !this.#isClosed ? await this.#past.of(view) : undefined;
      const now = this.#views.get(name);
      if (!past || !now || this.#isClosed || past === this.#pasts.get(name)) return;
      this.#pasts.set(name, past);
      this.#display.show(now, past);
    });
  }
}
