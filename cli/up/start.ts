/** Starts the parts of `vmgroup up`: Temporal server, simulated platform, worker, bridge. */
import type { SimulatedInventory } from '../../api';
import type { Bridge } from '../../bridge';
import { writeRecord } from '../data-folder';
import { messageOf } from '../errors';
import * as lazy from '../lazy';
import { startFolderBridge, startSimulatedPlatform, type RunningPlatform } from '../runtime';
import { openInBrowser } from './browser';
import type { Session } from './session';
import { openTemporal, registerAttributes, workflowsPage, type ConnectedTemporal } from './temporal';

/**
 * Starts everything. `startedAt` is when the command began, milliseconds since the epoch.
 *
 * @throws CliError if a part does not start. The session's closers stop those that have.
 */
export async function startAll(
  session: Session,
  inventory: SimulatedInventory | undefined,
  startedAt: number,
): Promise<Bridge> {
  const opening = openTemporal(session);
  // Loading Temporal's libraries takes as long as the server's start, so both happen at the same time.
  opening.catch(() => undefined);
  const platform = await startSimulatedPlatform({
    dataDir: session.folder.simulator,
    ...(inventory && { inventory }),
    logger: session.logger,
  }).catch(async (error: unknown) => {
    // A server that starts only afterwards would outlive this process.
    await opening.catch(() => undefined);
    throw error;
  });
  session.closers.push(() => platform.close());
  lazy.worker();
  lazy.bridge();
  const connected = await opening;
  await registerAttributes(connected);
  await startWorker(session, platform, connected);
  const bridge = await startBridge(session, platform, connected);
  announce(session, platform, connected, startedAt);
  return bridge;
}

async function startWorker(
  { logger, display, closers, signal }: Session,
  { platform, observer }: RunningPlatform,
  { target, temporal }: ConnectedTemporal,
): Promise<void> {
  const { client } = temporal;
  const worker = await lazy.worker().startWorker({ target, platform, observer, client, logger });
  closers.push(() => worker.shutdown());
  worker.run.catch((error: unknown) => {
    if (signal.aborted) return;
    const message = `the worker died: ${messageOf(error)}; start vmgroup up again`;
    display.notice({ reason: 'Notice', type: 'Warning', message });
    process.kill(process.pid, 'SIGTERM');
  });
}

async function startBridge(
  { paths, folder, logger, display, closers }: Session,
  { observer }: RunningPlatform,
  { temporal }: ConnectedTemporal,
): Promise<Bridge> {
  const running = await startFolderBridge({
    paths,
    folder,
    client: temporal.client,
    observer,
    logger,
    onEvent: (event) => display.event(event),
    onView: (name, view) => (view ? display.show(view) : display.forget(name)),
  });
  closers.push(() => running.stop());
  for (const view of running.views()) display.show(view);
  return running.bridge;
}

/** Says what runs where: on the display, and in the record for other commands. */
function announce(
  { folder, record, display, options }: Session,
  platform: RunningPlatform,
  { target }: ConnectedTemporal,
  startedAt: number,
): void {
  record.simulator = { address: platform.address };
  writeRecord(folder, record);
  const ui = record.temporal?.ui && workflowsPage(record.temporal.ui, target.namespace);
  display.notice({
    reason: 'Started',
    type: 'Normal',
    message: `started in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`,
    temporal: target.address,
    ...(ui && { ui }),
    simulator: platform.address,
    data: folder.dir,
  });
  if (ui && options.open) openInBrowser(ui);
}
