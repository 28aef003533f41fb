/** `vmgroup watch`. */
import type { ObjectName } from '../../api';
import type { GroupView } from '../../bridge';
import { followViews, groupName, PastRuns } from '../groups';
import * as lazy from '../lazy';
import { openDisplay, type Display } from '../live-display';
import { stopSignal } from '../runtime';
import type { ViewOptions } from './options';

/** Shows groups, and what happens to them, until Ctrl-C. Throws as `loadViews` of `groups/`. */
export async function watchGroups(name: ObjectName | undefined, options: ViewOptions): Promise<void> {
  // The picture begins once the groups are known: errors of the start are printed below the command line.
  const early: string[] = [];
  let note = (message: string): void => void early.push(message);
  const feed = await followViews(name, options, (message) => note(message));
  const signal = stopSignal();
  const display = openDisplay(options.output === 'json' ? 'json' : 'table');
  note = (message) => display.notice({ reason: 'Notice', type: 'Warning', message });
  early.forEach(note);
  const past = new PastRuns(options);
  const shown = new ShownGroups(display, past);
  while (!signal.aborted) {
    await shown.update(await feed.views());
    await feed.changed(signal);
  }
  display.close();
  await Promise.all([feed.close(), past.close()]);
}

/** The groups on a display. */
class ShownGroups {
  readonly #display: Display;
  readonly #past: PastRuns;
  readonly #views = new Map<string, GroupView>();

  constructor(display: Display, past: PastRuns) {
    this.#display = display;
    this.#past = past;
  }

  /** Shows the groups that are new or changed, with the events between the two views, and removes those that are gone. */
  async update(views: GroupView[]): Promise<void> {
    for (const view of views) await this.#show(view);
    const present = new Set(views.map(groupName));
    for (const [name, { metadata }] of this.#views) {
      if (present.has(name)) continue;
      this.#views.delete(name);
      this.#display.forget(metadata);
    }
  }

  async #show(view: GroupView): Promise<void> {
    const before = this.#views.get(groupName(view));
    if (JSON.stringify(before) === JSON.stringify(view)) return;
    this.#display.show(view, await this.#past.of(view));
    for (const event of lazy.bridge().viewEvents(before, view))
      this.#display.event({ time: Date.now(), ...event });
    this.#views.set(groupName(view), view);
  }
}
