/** `vmgroup watch`. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GroupView } from '../bridge';
import type { GroupName, ViewOptions } from './commands/views';
import { groupName } from './group-text';
import * as heavy from './heavy';
import { loadViews } from './views';

/** Milliseconds between two looks at the files that the bridge writes, at most once a second each. */
const LOOK_INTERVAL = 400;

/** Shows groups until Ctrl-C. */
export async function watchGroups(name: GroupName | undefined, options: ViewOptions): Promise<void> {
  const { viewEvents } = heavy.bridge();
  let views = await loadViews(name, options.data);
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  const display = heavy.live().display(options.output === 'json' ? 'json' : 'table');
  const shown = new Map<string, GroupView>();
  while (!stop.signal.aborted) {
    for (const view of views) {
      const before = shown.get(groupName(view));
      if (JSON.stringify(before) === JSON.stringify(view)) continue;
      display.show(view);
      for (const event of viewEvents(before, view)) display.happened({ time: Date.now(), ...event });
      shown.set(groupName(view), view);
    }
    await sleep(LOOK_INTERVAL, undefined, { signal: stop.signal }).catch(() => undefined);
    // A group that has just been deleted, or a folder that is being written anew, is no reason to end.
    views = await loadViews(name, options.data).catch(() => []);
    for (const [known, { metadata }] of shown) {
      if (views.some((view) => groupName(view) === known)) continue;
      shown.delete(known);
      display.forget(metadata);
    }
  }
  display.close();
}
