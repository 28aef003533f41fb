/**
 * `vmgroup up`: Temporal server, simulated platform, worker and bridge in one process (the server is its child).
 *
 * UP-1: however this process ends, the next `up` on the same data continues each run where it was.
 * UP-2: if a part does not start, the others are stopped; nothing is left running.
 * UP-3: manifests that leave out groups of the last `up` are refused while a run of one of them is open, see replaced-groups.ts.
 * UP-4: a process that stops because a part of it died says which, and ends with exit code 1.
 * UP-5: Ctrl-C while it starts stops it as later: what has not started is not started.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { pino } from 'pino';
import type { ParsedManifests, Problem } from '../../api';
import type { Bridge } from '../../bridge';
import {
  dataFolder,
  LOG_LIMIT,
  lockFolder,
  newRecord,
  openLog,
  platformRecord,
  readRecord,
  type DataFolder,
  type UpRecord,
} from '../data-folder';
import { CliError, EXIT } from '../errors';
import { openDisplay, type Notice } from '../live-display';
import * as lazy from '../lazy';
import { inventoryOf, readManifests } from '../manifests';
import { workWithoutOutput } from '../output';
import { closeAll, LOG_FORMAT, logTo, logWarnings, recordedPlatform, stopSignal } from '../runtime';
import { areSameManifests, replacedGroups } from './replaced-groups';
import type { Session, UpOptions } from './session';
import { startAll } from './start';
import { verdictOf, type Verdict } from './verdict';

export type { UpOptions } from './session';

/** Milliseconds between two looks at the groups. */
const VERDICT_INTERVAL = 200;

/** Milliseconds for which a verdict must hold: the views of the last `up` are shown first, and the present ones a moment later. */
const VERDICT_STABLE = 1_000;

/**
 * Runs until Ctrl-C, or with `--exit-when-converged` until nothing is left to do. Ends the process.
 *
 * @throws CliError if there is no valid group, another process works on the data folder, or a part does not start.
 */
export async function up(paths: string[], options: UpOptions): Promise<void> {
  const startedAt = Date.now();
  workWithoutOutput();
  const ended = new AbortController();
  const asked = stopSignal();
  asked.addEventListener('abort', () => ended.abort(asked.reason));
  const fail = (why: string): void => ended.abort(new Error(why));
  const folder = dataFolder(options.data);
  const manifests = await readManifests(paths);
  const inventory = inventoryOf(manifests);
  const { platforms } = manifests.manifests;
  const last = readRecord(folder);
  if (manifests.manifests.groups.length === 0 && !isRestart(paths, folder, last))
    throw noGroups(paths, manifests.problems);
  const platform = options.platform ?? recordedPlatform(options, paths)?.name ?? 'simulated';
  const unlock = await lockFolder(folder, 'up', fail);
  const temporal = last?.temporal;
  const session: Session = {
    paths,
    options,
    platform,
    folder,
    // The ports of the previous start, and the pid of a server that it may have left behind.
    record: newRecord('up', paths, {
      ...(temporal && { temporal }),
      ...(last?.orphan !== undefined && { orphan: last.orphan }),
      platform: platformRecord(platform, platforms.length > 0 ? paths : []),
    }),
    logger: fileLogger(folder),
    display: openDisplay(options.output),
    signal: ended.signal,
    fail,
    closers: [unlock],
  };
  let verdict: Verdict | undefined;
  try {
    if (last) await warnOfReplaced(session, last, manifests);
    const bridge = await startAll(session, { inventory, platforms }, startedAt);
    verdict = await untilDone(session, bridge);
  } catch (error: unknown) {
    if (!ended.signal.aborted) throw error;
    session.logger.info({ err: error }, 'stopped while it was starting');
    verdict = stoppedVerdict(session);
  } finally {
    await stopAll(session);
    session.display.close();
  }
  session.display.notice(stoppedNotice(verdict, folder));
  // Neither the SDK's threads nor open sockets may keep the process alive.
  process.exit(verdict?.exitCode ?? process.exitCode ?? EXIT.ok);
}

/**
 * Whether these are the manifests of the last process on the data folder. Then the last valid form of a group stays in force.
 * Other manifests without a group are a mistake, and would delete all groups.
 */
function isRestart(paths: string[], folder: DataFolder, last: UpRecord | undefined): boolean {
  if (!existsSync(folder.lastValid)) return false;
  return last === undefined || areSameManifests(paths, last);
}

/** Says which groups are no longer managed. @throws CliError if one of them has an open run */
async function warnOfReplaced(
  { paths, options: { data }, folder, display }: Session,
  last: UpRecord,
  manifests: ParsedManifests,
): Promise<void> {
  if (areSameManifests(paths, last)) return;
  const views = await lazy.status().readViews(folder.status);
  const message = replacedGroups(paths, { ...last, data }, manifests, views);
  if (message !== undefined) display.notice({ reason: 'Notice', type: 'Warning', message });
}

/** Logs to the data folder, Node's warnings included: on the terminal they would break the picture. */
function fileLogger(folder: DataFolder): Logger {
  const logger = pino(LOG_FORMAT, logTo({ open: () => openLog(folder.log), limit: LOG_LIMIT }));
  logWarnings(logger);
  return logger;
}

/** Why the process stops although no user asked it to (UP-4); undefined: it does not. */
function faultOf({ reason }: AbortSignal): string | undefined {
  return reason instanceof Error ? reason.message : undefined;
}

/** Waits for Ctrl-C, a fault, or the verdict if `--exit-when-converged` is set. */
async function untilDone({ signal, options }: Session, bridge: Bridge): Promise<Verdict | undefined> {
  let stableSince = Date.now();
  let last = '';
  while (!signal.aborted) {
    await sleep(VERDICT_INTERVAL, undefined, { signal }).catch(() => undefined);
    if (!options.exitWhenConverged || signal.aborted) continue;
    const verdict = bridge.ready().ready ? verdictOf(bridge.views(), bridge.problems()) : undefined;
    const now = JSON.stringify(verdict);
    if (now !== last) stableSince = Date.now();
    last = now;
    if (verdict && Date.now() - stableSince > VERDICT_STABLE) return verdict;
  }
  return stoppedVerdict({ signal, options });
}

/** How a process ends that was stopped before it had a verdict. */
function stoppedVerdict({ signal, options }: Pick<Session, 'signal' | 'options'>): Verdict | undefined {
  const fault = faultOf(signal);
  if (fault !== undefined)
    return { exitCode: EXIT.failed, message: `${fault}; start vmgroup up again, which continues the runs` };
  return options.exitWhenConverged
    ? { exitCode: EXIT.interrupted, message: 'stopped before all groups were done' }
    : undefined;
}

/** Stops what was started, the last part first (UP-2). */
async function stopAll({ closers, signal, display, logger }: Session): Promise<void> {
  const fault = faultOf(signal);
  if (fault !== undefined)
    display.notice({ reason: 'Notice', type: 'Warning', message: `${fault}, stopping` });
  else if (signal.aborted)
    display.notice({
      reason: 'Notice',
      type: 'Normal',
      message: 'stopping (Ctrl-C again ends the process at once)',
    });
  await closeAll(closers, logger);
}

function stoppedNotice(verdict: Verdict | undefined, folder: DataFolder): Notice {
  const exitCode = verdict?.exitCode ?? EXIT.ok;
  const message = verdict?.message ?? `stopped; vmgroup up continues with the data in ${folder.dir}`;
  return { reason: 'Stopped', type: exitCode === EXIT.ok ? 'Normal' : 'Warning', message, exitCode };
}

function noGroups(paths: string[], problems: readonly Problem[]): CliError {
  const hasErrors = problems.some(({ severity }) => severity === 'Error');
  return new CliError(`there is no valid VirtualMachineGroup in ${paths.join(', ')}`, [
    hasErrors
      ? `list the errors: vmgroup validate ${paths.join(' ')}`
      : 'name a file or folder with a group, such as examples/three-tier-app',
  ]);
}
