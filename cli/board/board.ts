/** `vmgroup board`. */
import type { ObjectName } from '../../api';
import type { GroupView } from '../../bridge';
import { openInBrowser } from '../browser';
import { findTarget } from '../connections';
import { dataFolder, readLiveRecord } from '../data-folder';
import { CliError, messageOf } from '../errors';
import { Estimates, groupName, PastRuns, staleness, treeAround, type PastOptions } from '../groups';
import * as lazy from '../lazy';
import { isOnCluster, type BoardOptions, type GroupOptions } from '../options';
import { firstNames, printLine, printNote } from '../output';
import { runLink, stopSignal, untilStopped } from '../runtime';
import { IdleFeed } from './idle-feed';

/**
 * Serves the board until a signal.
 *
 * @throws CliError if there is no such group, or no group at all, or the port is taken.
 */
export async function serveBoard(
  name: ObjectName | undefined,
  options: PastOptions & BoardOptions & { open?: true },
): Promise<void> {
  const signal = stopSignal();
  // The tree of a group has members of its own namespace only.
  const scope: GroupOptions = name ? { ...options, watchNamespaces: [name.namespace] } : options;
  const feed = new IdleFeed(scope, (message) => printNote(`note: ${message}`));
  const read = async (): Promise<GroupView[]> => {
    const views = await feed.views();
    return name ? treeAround(views, name) : views;
  };
  const estimates = new Estimates(new PastRuns(options));
  let shown: GroupView[] = await read();
  const { boardReader } = lazy.board();
  const board = await startBoard(options, {
    read: boardReader({
      title: name ? `${name.namespace}/${name.name}` : 'vmgroup board',
      groups: async () => (shown = await read()),
      trouble: () => staleness(shown, options),
      runUrl: runLink(temporalUi(options), findTarget(options).namespace),
      estimateOf: (group) => estimates.of(group),
    }),
  });
  printLine(board.url);
  printNote(`shows ${firstNames(shown.map(groupName))}; Ctrl-C stops it`);
  if (options.open) openInBrowser(board.url);
  await untilStopped(signal);
  await board.close();
  await Promise.all([feed.close(), estimates.close()]);
}

async function startBoard(
  { port, host, allowHost }: BoardOptions,
  { read }: Pick<Parameters<ReturnType<typeof lazy.board>['startBoard']>[0], 'read'>,
): ReturnType<ReturnType<typeof lazy.board>['startBoard']> {
  try {
    return await lazy.board().startBoard({ port, host, read, ...(allowHost && { allowedHosts: allowHost }) });
  } catch (error: unknown) {
    throw new CliError(`the board cannot listen on ${host}:${port}: ${messageOf(error)}`, [
      'name another port: --port PORT, or 0 for any free one',
    ]);
  }
}

function temporalUi(options: GroupOptions & BoardOptions): string | undefined {
  if (options.temporalUi !== undefined || isOnCluster(options)) return options.temporalUi;
  return readLiveRecord(dataFolder(options.data))?.temporal?.ui;
}
