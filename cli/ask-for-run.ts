/** Asks the bridge that works on a data folder for a new run of a group. */
import { defaultActor } from './actor';
import type { GroupName } from './commands/views';
import { dataFolder, readLiveRecord } from './data-folder';
import { CliError } from './errors';
import * as heavy from './heavy';
import { loadViews } from './views';

/**
 * Leaves the request for the bridge.
 *
 * @returns what to tell the person.
 * @throws CliError when no bridge works on the folder, or it knows no such group.
 */
export async function askForRun(
  { namespace, name }: GroupName,
  options: { data: string; actor?: string; reason: string },
): Promise<string> {
  const folder = dataFolder(options.data);
  if (!readLiveRecord(folder)) {
    throw new CliError(`nobody works on ${folder.dir}, so nobody can start a run of ${namespace}/${name}`, [
      'start vmgroup up or vmgroup serve, or name the data folder of one that runs: --data DIR',
    ]);
  }
  await loadViews({ namespace, name }, options.data);
  const actor = options.actor ?? defaultActor();
  await heavy.bridge().requestRun(folder.requests, { namespace, name, actor, reason: options.reason });
  return `asked for a new run of ${namespace}/${name}; follow it with vmgroup watch ${namespace}/${name}`;
}
