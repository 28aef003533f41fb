/** Starts the parts of `vmgroup up`: Temporal server, simulated platform, worker, bridge. */
import type { PlatformObject, SimulatedInventory } from '../../api';
import type { Bridge } from '../../bridge';
import { writeRecord } from '../data-folder';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import {
  forgetGroup,
  openPlatforms,
  startFolderBridge,
  startSimulatedPlatform,
  workerStarts,
  type RunningPlatforms,
} from '../runtime';
import { openInBrowser } from '../browser';
import type { Session } from './session';
import { openTemporal, registerAttributes, workflowsPage, type ConnectedTemporal } from './temporal';

/** What `up` takes from its manifests besides groups and VMs. */
export interface UpManifests {
  inventory: SimulatedInventory | undefined;
  platforms: readonly PlatformObject[];
}

/**
 * Starts everything. `startedAt` is when the command began, milliseconds since the epoch.
 *
 * @throws CliError if a part does not start; the reason of the session's signal once that aborts: then nothing more is started (UP-5). The
 *   session's closers stop the parts that have.
 */
export async function startAll(session: Session, manifests: UpManifests, startedAt: number): Promise<Bridge> {
  const opening = openTemporal(session);
  // Loading Temporal's libraries takes as long as the server's start, so both happen at the same time.
  opening.catch(() => undefined);
  const platforms = await startPlatforms(session, manifests).catch(async (error: unknown) => {
    // A server that starts only afterwards would outlive this process.
    await opening.catch(() => undefined);
    throw error;
  });
  const { closers, signal } = session;
  closers.push(() => platforms.close());
  lazy.worker();
  lazy.bridge();
  const connected = await opening;
  await registerAttributes(connected, signal);
  await startWorkers(session, platforms, connected);
  signal.throwIfAborted();
  const bridge = await startBridge(session, platforms, connected);
  signal.throwIfAborted();
  announce(session, platforms, connected, startedAt);
  return bridge;
}

/** Opens the platforms among the manifests. The simulated one runs in this process if it is the default. */
async function startPlatforms(
  { platform: byDefault, folder, logger }: Session,
  { inventory, platforms }: UpManifests,
): Promise<RunningPlatforms> {
  const simulated =
    byDefault === 'simulated'
      ? await startSimulatedPlatform({
          dataDir: folder.simulator,
          ...(inventory && { inventory }),
          logger,
        })
      : undefined;
  try {
    return openPlatforms(
      { byDefault, platforms, watchOnly: false, openBuiltIn: (type) => simulated ?? notOnThisMachine(type) },
      logger,
    );
  } catch (error: unknown) {
    await simulated?.close();
    throw error;
  }
}

function notOnThisMachine(type: string): never {
  throw new CliError(`the platform ${type} needs to be described`, [
    `put a Platform among the manifests, and name it: --platform NAME; see docs/reference/platforms.md`,
  ]);
}

async function startWorkers(
  { logger, closers, fail }: Session,
  platforms: RunningPlatforms,
  { target, temporal: { client } }: ConnectedTemporal,
): Promise<void> {
  for (const start of workerStarts(platforms, { target, logger, client })) {
    const worker = await start();
    closers.push(() => worker.shutdown());
    worker.run.catch((error: unknown) => fail(`the worker died: ${messageOf(error)}`));
  }
}

async function startBridge(
  { paths, folder, logger, display, closers }: Session,
  platforms: RunningPlatforms,
  { temporal, target }: ConnectedTemporal,
): Promise<Bridge> {
  const { observers } = platforms;
  const forget = forgetGroup(platforms, logger);
  const running = await startFolderBridge({
    paths,
    folder,
    client: temporal.client,
    target,
    observers,
    logger,
    onEvent: (event) => display.event(event),
    onView: (name, view) => {
      if (view) return display.show(view);
      display.forget(name);
      forget(name);
    },
  });
  closers.push(() => running.stop());
  for (const view of running.views()) display.show(view);
  return running.bridge;
}

/** Says what runs where: on the display, and in the record for other commands. */
function announce(
  { folder, record, display, options, platform }: Session,
  { byDefault }: RunningPlatforms,
  { target }: ConnectedTemporal,
  startedAt: number,
): void {
  const simulator = platform === 'simulated' ? { simulator: byDefault.address } : {};
  if (simulator.simulator !== undefined) record.simulator = { address: simulator.simulator };
  writeRecord(folder, record);
  const ui = record.temporal?.ui && workflowsPage(record.temporal.ui, target.namespace);
  display.notice({
    reason: 'Started',
    type: 'Normal',
    message: `started in ${((Date.now() - startedAt) / 1000).toFixed(1)} s`,
    temporal: target.address,
    ...(ui && { ui }),
    ...simulator,
    data: folder.dir,
  });
  if (ui && options.open) openInBrowser(ui);
}
