/** `vmgroup watch`. */
import type { ObjectName } from '../../api';
import { followViews, PastRuns } from '../groups';
import { openDisplay } from '../live-display';
import { stopSignal } from '../runtime';
import type { ViewOptions } from './options';
import { ShownGroups } from './shown-groups';

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
  const shown = new ShownGroups(display, new PastRuns(options));
  while (!signal.aborted) {
    shown.update(await feed.views());
    await feed.changed(signal);
  }
  display.close();
  await Promise.all([feed.close(), shown.close()]);
}
