/** The parts that `up`, `serve`, `worker` and `bridge` put together. */
import type { Client } from '@temporalio/client';
import type { Logger, LoggerOptions } from 'pino';
import { pino } from 'pino';
import type { SimulatedInventory, VirtualMachineStatus } from '../../api';
import type { Bridge, BridgeOptions, Observations } from '../../bridge';
import type { Observer, Platform } from '../../platforms';
import type { DataFolder } from '../data-folder/data-folder';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';

/** How all our processes log: one JSON object a line, with level and time as people read them. */
export const LOG_FORMAT: LoggerOptions = {
  base: null,
  formatters: { level: (label) => ({ level: label }) },
  timestamp: pino.stdTimeFunctions.isoTime,
};

/** A platform and the one watch of it. */
export interface RunningPlatform {
  /** `http://127.0.0.1:PORT` of the simulator, or the address of the API server. */
  address: string;
  platform: Platform;
  observer: Observer;
  close(): Promise<void>;
}

/**
 * Starts a simulator in this process, and watches it.
 *
 * @throws CliError when another process runs one on the same folder.
 */
export async function startPlatform(options: {
  dataDir: string;
  inventory?: SimulatedInventory;
  logger: Logger;
}): Promise<RunningPlatform> {
  const { dataDir, inventory, logger } = options;
  const simulator = await lazy
    .simulator()
    .startSimulator({
      dataDir,
      ...(inventory && { inventory }),
      onBroken: (error) =>
        logger.error({ err: error }, 'the journal of the simulated platform cannot be written'),
    })
    .catch((error: unknown) => {
      throw new CliError(`the simulated platform does not start: ${messageOf(error)}`, [
        'end the vmgroup simulator that runs on this data, or choose another --data DIR',
      ]);
    });
  const watched = watchSimulator(simulator.address, logger);
  return {
    ...watched,
    close: async () => {
      await watched.close();
      await simulator.close();
    },
  };
}

/** Watches a simulator that runs somewhere. */
export function watchSimulator(address: string, logger: Logger): RunningPlatform {
  return watchPlatform(new (lazy.simulated().SimulatedPlatform)(address), address, logger);
}

/** Opens the one watch of a platform. */
export function watchPlatform(platform: Platform, address: string, logger: Logger): RunningPlatform {
  const observer = new (lazy.platforms().Observer)(platform, {
    onBroken: (error, retryIn) =>
      logger.warn({ err: error, retryIn }, 'the watch of the platform broke, opening it again'),
    onListenerError: (error) => logger.error({ err: error }, 'a listener of the watch failed'),
  });
  return {
    address,
    platform,
    observer,
    close: async () => {
      await observer.close();
      await platform.close();
    },
  };
}

/** What {@link startBridgeOn} needs. */
export interface BridgeOnOptions {
  /** Files and folders of manifests. */
  paths: string[];
  folder: DataFolder;
  client: Client;
  taskQueue?: string;
  observer: Observer;
  logger: Logger;
  onEvent?: NonNullable<BridgeOptions['onEvent']>;
  onView?: NonNullable<BridgeOptions['onView']>;
}

/** A bridge with the requests that other commands leave for it. */
export interface RunningBridge {
  bridge: Bridge;
  views: Bridge['views'];
  stop(): Promise<void>;
}

/** What a bridge sees of a platform. */
export function observationsOf(observer: Observer): Observations {
  return {
    get: (vm): VirtualMachineStatus | undefined => observer.get(vm)?.status,
    holdOf: (vm) => observer.get(vm)?.operation?.hold,
    onChange: (listener) => observer.onChange(({ vm }) => listener(vm)),
    synced: () => observer.synced(),
  };
}

/** Starts a bridge on manifests, which keeps status in the data folder and hears requests there. */
export async function startBridgeOn(options: BridgeOnOptions): Promise<RunningBridge> {
  const { folder, logger, observer, onEvent, onView } = options;
  const { directorySource, fileStatusStore, startBridge, watchRequests } = lazy.bridge();
  const statusStore = fileStatusStore(folder.status, (error) =>
    logger.error({ err: error }, 'status could not be written'),
  );
  const bridge = await startBridge({
    source: directorySource({
      paths: options.paths,
      lastValidFile: folder.lastValid,
      ignore: [folder.dir],
      onWarning: (message) => logger.warn(message),
    }),
    client: options.client,
    taskQueue: options.taskQueue ?? lazy.worker().TASK_QUEUE,
    observations: observationsOf(observer),
    statusStore,
    logger,
    ...(onEvent && { onEvent }),
    ...(onView && { onView }),
  });
  const requests = await watchRequests(
    folder.requests,
    (request) => bridge.ask(request),
    (message) => logger.warn(`a request for a run was refused: ${message}`),
  );
  return {
    bridge,
    views: () => bridge.views(),
    stop: async () => {
      await requests.stop();
      await bridge.stop();
      await statusStore.flush();
    },
  };
}
