/** The platforms of a process, and the one watch of each. */
import { pino, type Logger } from 'pino';
import { listed, type PlatformSettings, type SimulatedInventory } from '../../api';
import type { Observer, Platform } from '../../platforms';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { watchCluster, watchKubevirt, type WatchedCluster } from './cluster';
import { openLibvirt } from './libvirt';
import { openVsphere } from './vsphere';

/** A platform and its watch. */
export interface RunningPlatform {
  /** `http://127.0.0.1:PORT` of the simulator, or the address of the API server. */
  address: string;
  platform: Platform;
  observer: Observer;
  close(): Promise<void>;
}

/** Which platform {@link openPlatform} opens. */
export interface PlatformChoice {
  platform: 'simulated' | 'vm-operator' | 'kubevirt';
  /** Address of the simulator. */
  simulator: string;
  /** The cluster whose VMs are powered. */
  cluster: WatchedCluster | undefined;
  /** The process asks for no power operations, so it needs only the rights to watch. */
  watchOnly: boolean;
}

/** Opens the chosen platform. */
export function openPlatform(choice: PlatformChoice, logger: Logger): RunningPlatform {
  const { platform, simulator, cluster, watchOnly } = choice;
  if (platform === 'simulated' || !cluster) return watchSimulator(simulator, logger);
  return watchPlatform(cluster.platform(watchOnly), cluster.api.address, logger);
}

/**
 * Opens a platform that a Platform object describes. `watchOnly`: the process asks for no power operations. `companion`: on vm-operator VM Operator's
 * own group controller acts too.
 */
export function openDescribedPlatform(
  settings: PlatformSettings,
  { watchOnly, companion = false }: { watchOnly: boolean; companion?: boolean },
  logger: Logger,
): RunningPlatform {
  switch (settings.type) {
    case 'simulated':
      return watchSimulator(settings.address, logger);
    case 'vm-operator':
      return watchOwnCluster(watchCluster(settings, logger, companion), watchOnly, logger);
    case 'kubevirt':
      return watchOwnCluster(watchKubevirt(settings, logger, true), watchOnly, logger);
    case 'vsphere':
      return watchPlatform(openVsphere(settings, watchOnly, logger), settings.address, logger);
    case 'libvirt': {
      const names = settings.hosts.map(({ name }) => name);
      return watchPlatform(openLibvirt(settings, logger), `libvirt on ${listed(names, 5)}`, logger);
    }
  }
}

/** Opens a platform that can tell where it would place VMs; undefined: those of this type cannot. It changes nothing there. */
export function openQuietly(settings: PlatformSettings): Platform | undefined {
  const logger = pino({ level: 'silent' });
  if (settings.type === 'vsphere') return openVsphere(settings, true, logger);
  return settings.type === 'libvirt' ? openLibvirt(settings, logger) : undefined;
}

/** Watches a platform on a cluster that nothing else of the process uses. */
function watchOwnCluster(cluster: WatchedCluster, watchOnly: boolean, logger: Logger): RunningPlatform {
  const running = watchPlatform(cluster.platform(watchOnly), cluster.api.address, logger);
  return {
    ...running,
    close: async () => {
      await running.close();
      await cluster.close();
    },
  };
}

/**
 * Starts a simulator in this process, and watches it.
 *
 * @throws CliError if the simulator does not start, such as when another process runs one on the same folder.
 */
export async function startSimulatedPlatform(options: {
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
        logger.error({ err: error }, 'the simulator refuses every change: its journal cannot be written'),
    })
    .catch((error: unknown) => {
      throw new CliError(`the simulated platform did not start: ${messageOf(error)}`, [
        'stop the vmgroup simulator that runs on this data, or use other data: --data DIR',
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

/** Watches a running simulator. */
export function watchSimulator(address: string, logger: Logger): RunningPlatform {
  return watchPlatform(new (lazy.simulated().SimulatedPlatform)(address), address, logger);
}

function watchPlatform(platform: Platform, address: string, logger: Logger): RunningPlatform {
  const observer = new (lazy.platforms().Observer)(platform, {
    onBroken: (error, retryIn) =>
      logger.warn({ err: error, retryIn }, 'lost the watch on the platform, retrying'),
    onListenerError: (error) => logger.error({ err: error }, 'failed to handle a watch event'),
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
