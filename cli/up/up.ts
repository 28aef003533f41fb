/**
 * `vmgroup up`: Temporal server, simulated platform, worker and bridge in one process (the server is its child).
 *
 * U1: whatever ends this process, the next `up` on the same data goes on in the middle of each run.
 * U2: a part that does not start takes the others down with it; nothing is left running.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { pino } from 'pino';
import type { Bridge } from '../../bridge';
import type { TemporalClient, TemporalTarget } from '../../worker';
import { openInBrowser } from './browser';
import type { UpOptions } from '.';
import { dataFolder, lockFolder, openLog, readRecord, writeRecord } from '../data-folder/data-folder';
import type { DataFolder, UpRecord } from '../data-folder/data-folder';
import type { Display } from '../live-display/display';
import { CliError, EXIT, messageOf } from '../errors';
import * as lazy from '../lazy';
import { inventoryOf } from '../manifests/inventory';
import { readManifests } from '../manifests/files';
import { verdictOf } from './verdict';
import type { Verdict } from './verdict';
import { startedAt } from '../temporal-server/processes';
import { connect } from '../connections/temporal';
import { LOG_FORMAT, startBridgeOn, startPlatform } from '../runtime/parts';
import { closeAll, stopSignal } from '../runtime/stop';
import { findTemporalCli } from '../temporal-server/temporal-cli';
import { logWarnings } from '../runtime/warnings';
import { startTemporalServer, stopOrphan } from '../temporal-server/temporal-server';

/** Everything that the parts of one `up` share. */
interface Session {
  paths: string[];
  options: UpOptions;
  folder: DataFolder;
  record: UpRecord;
  logger: Logger;
  display: Display;
  signal: AbortSignal;
  /** Run in reverse at the end. */
  closers: (() => Promise<unknown>)[];
}

/** Runs until Ctrl-C, or with `--exit-when-converged` until nothing is left to do. Sets the exit code. */
export async function up(paths: string[], options: UpOptions): Promise<void> {
  const began = Date.now();
  const signal = stopSignal();
  const folder = dataFolder(options.data);
  const manifests = await readManifests(paths);
  const inventory = inventoryOf(manifests);
  if (manifests.manifests.groups.length === 0 && !existsSync(folder.lastValid))
    throw noGroups(paths, manifests.problems);
  const unlock = await lockFolder(folder, 'up');
  const session: Session = {
    paths,
    options,
    folder,
    record: newRecord(paths, folder),
    logger: fileLogger(folder),
    display: lazy.live().display(options.output),
    signal,
    closers: [unlock],
  };
  let verdict: Verdict | undefined;
  try {
    const bridge = await startAll(session, inventory, began);
    verdict = await untilDone(session, bridge);
  } finally {
    await stopAll(session);
  }
  session.display.close();
  session.display.tell(lastWord(verdict, folder));
  // The SDK's threads and open sockets of dead parts must not keep a finished command alive.
  process.exit(verdict?.exitCode ?? EXIT.ok);
}

/** Logs to the data folder. Warnings of Node go there too: on the terminal they would break the picture. */
function fileLogger(folder: DataFolder): Logger {
  const logger = pino(LOG_FORMAT, pino.destination({ fd: openLog(folder.log), sync: true }));
  logWarnings(logger);
  return logger;
}

function newRecord(paths: string[], folder: DataFolder): UpRecord {
  const before = readRecord(folder);
  return {
    pid: process.pid,
    processStart: startedAt(process.pid) ?? '',
    command: 'up',
    manifests: paths.map((given) => path.resolve(given)),
    // Ports of the last time, and the pid of a server that may have been left behind.
    ...(before?.temporal && { temporal: before.temporal }),
  };
}

async function startAll(
  session: Session,
  inventory: Parameters<typeof startPlatform>[0]['inventory'],
  began: number,
): Promise<Bridge> {
  const { folder, record, logger, display, closers, options } = session;
  const server = startServer(session);
  // Loading Temporal's libraries takes as long as the server's start: side by side, not one after the other.
  server.catch(() => undefined);
  const platform = await startPlatform({
    dataDir: folder.simulator,
    ...(inventory && { inventory }),
    logger,
  });
  closers.push(() => platform.close());
  lazy.worker();
  lazy.bridge();
  const { target, temporal } = await server;
  await registerAttributes(temporal, target);
  const worker = await lazy.worker().startWorker({
    target,
    platform: platform.platform,
    observer: platform.observer,
    client: temporal.client,
    logger,
  });
  closers.push(() => worker.shutdown());
  worker.run.catch((error: unknown) => {
    if (session.signal.aborted) return;
    display.tell({
      reason: 'Notice',
      type: 'Warning',
      message: `the worker died: ${messageOf(error)}; start vmgroup up again`,
    });
    process.kill(process.pid, 'SIGTERM');
  });
  const bridge = await startBridgeOn({
    paths: session.paths,
    folder,
    client: temporal.client,
    observer: platform.observer,
    logger,
    onEvent: (event) => display.happened(event),
    onView: ({ namespace, name }, view) => (view ? display.show(view) : display.forget({ namespace, name })),
  });
  closers.push(() => bridge.stop());
  for (const view of bridge.views()) display.show(view);
  writeRecord(folder, Object.assign(record, { simulator: { address: platform.address } }));
  const ui = record.temporal?.ui && workflowsPage(record.temporal.ui, target.namespace);
  display.tell({
    reason: 'Started',
    type: 'Normal',
    message: `started in ${((Date.now() - began) / 1000).toFixed(1)} s`,
    temporal: target.address,
    ...(ui && { ui }),
    simulator: platform.address,
    data: folder.dir,
  });
  if (ui && options.open) openInBrowser(ui);
  return bridge.bridge;
}

/** Starts the Temporal server, or connects to the one that was named. */
async function startServer(session: Session): Promise<{ target: TemporalTarget; temporal: TemporalClient }> {
  const { options, folder, record, display, closers } = session;
  const before = record.temporal;
  await stopOrphan(folder, record);
  if (options.temporal !== undefined) {
    const target = lazy.worker().temporalTarget({
      address: options.temporal,
      ...(options.namespace !== undefined && { namespace: options.namespace }),
    });
    record.temporal = { address: target.address, namespace: target.namespace };
    writeRecord(folder, record);
    return { target, temporal: await connected(session, target) };
  }
  const notice = (message: string) => display.tell({ reason: 'Notice', type: 'Normal', message });
  const cli = await findTemporalCli({ onProgress: notice });
  if (cli.from === 'download' || cli.from === 'pip')
    notice(`the Temporal server is at ${cli.path} (${cli.from})`);
  session.logger.info({ ...cli }, 'Temporal command line tool');
  const server = await startTemporalServer({
    cli: cli.path,
    folder,
    ports: { port: before?.port, uiPort: before?.uiPort },
    searchAttributes: lazy.worker().SEARCH_ATTRIBUTE_TYPES,
    onSpawn: ({ pid, port, uiPort }) => {
      const address = `127.0.0.1:${port}`;
      record.temporal = {
        address,
        namespace: 'default',
        ui: `http://127.0.0.1:${uiPort}`,
        pid,
        port,
        uiPort,
      };
      writeRecord(folder, record);
    },
    onRestart: (message) => display.tell({ reason: 'Notice', type: 'Warning', message }),
  });
  closers.push(() => server.stop());
  // Also where this process ends in a hurry. After kill -9 the next `up` does it.
  process.once('exit', () => server.end());
  const { address } = server;
  const target = { address, namespace: 'default', connectionOptions: { address } };
  return { target, temporal: await connected(session, target) };
}

async function connected(session: Session, target: TemporalTarget): Promise<TemporalClient> {
  const temporal = await connect(target);
  session.closers.push(() => temporal.close());
  return temporal;
}

/** A server that has just opened its port answers a second later. */
async function registerAttributes({ client }: TemporalClient, { namespace }: TemporalTarget): Promise<void> {
  const { registerSearchAttributes, SearchAttributeError } = lazy.worker();
  for (let tries = 0; ; tries++) {
    try {
      return await registerSearchAttributes(client, namespace);
    } catch (error: unknown) {
      if (error instanceof SearchAttributeError || tries >= 100) throw error;
      await sleep(100);
    }
  }
}

/** Waits for Ctrl-C, or for the verdict where that was asked for. */
async function untilDone(session: Session, bridge: Bridge): Promise<Verdict | undefined> {
  const { signal, options } = session;
  let sameSince = Date.now();
  let last = '';
  while (!signal.aborted) {
    await sleep(200, undefined, { signal }).catch(() => undefined);
    if (!options.exitWhenConverged || signal.aborted) continue;
    const verdict = bridge.ready().ready ? verdictOf(bridge.views(), bridge.problems()) : undefined;
    const now = JSON.stringify(verdict);
    if (now !== last) sameSince = Date.now();
    last = now;
    // What was known from the last time is shown first, and what is now a moment later.
    if (verdict && Date.now() - sameSince > 1_000) return verdict;
  }
  return options.exitWhenConverged
    ? { exitCode: EXIT.interrupted, message: 'stopped before it was done' }
    : undefined;
}

/** Ends the parts, the last one first (U2). */
async function stopAll({ closers, signal, display, logger }: Session): Promise<void> {
  if (signal.aborted)
    display.tell({ reason: 'Notice', type: 'Normal', message: 'stopping (Ctrl-C again ends it at once)' });
  await closeAll(closers, logger);
}

function lastWord(verdict: Verdict | undefined, folder: DataFolder): Parameters<Display['tell']>[0] {
  const exitCode = verdict?.exitCode ?? EXIT.ok;
  const message = verdict?.message ?? `stopped; vmgroup up goes on with what is in ${folder.dir}`;
  return { reason: 'Stopped', type: exitCode === EXIT.ok ? 'Normal' : 'Warning', message, exitCode };
}

function workflowsPage(ui: string, namespace: string): string {
  const query = encodeURIComponent('WorkflowType="virtualMachineGroup"');
  return `${ui}/namespaces/${namespace}/workflows?query=${query}`;
}

function noGroups(paths: string[], problems: Parameters<typeof verdictOf>[1]): CliError {
  const errors = problems.filter(({ severity }) => severity === 'Error').length;
  return new CliError(`there is no valid VirtualMachineGroup in ${paths.join(', ')}`, [
    errors > 0
      ? `see what is wrong: vmgroup validate ${paths.join(' ')}`
      : 'name a file or folder that has one, such as examples/three-tier-app',
  ]);
}
