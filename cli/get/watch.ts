/** `vmgroup watch`. */
import type { GroupView } from '../../bridge';
import type { GroupName, ViewOptions } from '.';
import { groupName } from '../groups/group-text';
import * as lazy from '../lazy';
import { followViews } from '../groups/views';

/** Shows groups until Ctrl-C. */
export async function watchGroups(name: GroupName | undefined, options: ViewOptions): Promise<void> {
  const { viewEvents } = lazy.bridge();
  const early: string[] = [];
  let note = (message: string): void => void early.push(message);
  const feed = await followViews(name, options, (message) => note(message));
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  const display = lazy.live().display(options.output === 'json' ? 'json' : 'table');
  note = (message) => display.tell({ reason: 'Notice', type: 'Warning', message });
  early.forEach(note);
  const shown = new Map<string, GroupView>();
  while (!stop.signal.aborted) {
    const views = await feed.views();
    for (const view of views) {
      const before = shown.get(groupName(view));
      if (JSON.stringify(before) === JSON.stringify(view)) continue;
      display.show(view);
      for (const event of viewEvents(before, view)) display.happened({ time: Date.now(), ...event });
      shown.set(groupName(view), view);
    }
    for (const [known, { metadata }] of shown) {
      if (views.some((view) => groupName(view) === known)) continue;
      shown.delete(known);
      display.forget(metadata);
    }
    await feed.changed(stop.signal);
  }
  display.close();
  await feed.close();
}
