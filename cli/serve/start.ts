/** Starts the parts of a long-running process. */
import type { Logger } from 'pino';
import type { Health, TemporalClient, TemporalTarget } from '../../worker';
import { dataFolder } from '../data-folder';
import * as lazy from '../lazy';
import {
  openPlatform,
  startClusterBridge,
  startFolderBridge,
  watchCluster,
  type RunningPlatform,
  type WatchedCluster,
} from '../runtime';
import type { Role, ServeOptions } from './options';
import type { Running } from './running';

/** What {@link startParts} needs. */
export interface StartInput {
  role: Role;
  /** Files and folders of manifests. */
  paths: string[];
  options: ServeOptions;
  target: TemporalTarget;
  logger: Logger;
  signal: AbortSignal;
  /** Receives each part as soon as it has started. */
  running: Running;
  /** Where the Temporal SDK serves its metrics. */
  sdkMetricsAddress: string | undefined;
  health: Health;
}

/** How long `untilReachable` of `worker/` retries, and whom it tells. */
interface Waiting {
  logger: Logger;
  signal: AbortSignal;
  onWaiting(reason: string | undefined): void;
}

/** Starts connection, platform, worker and bridge. Waits for servers that do not answer yet. */
export async function startParts(input: StartInput): Promise<void> {
  const { role, running, logger, signal, options } = input;
  const waiting: Waiting = {
    logger,
    signal,
    onWaiting: (reason) => {
      if (reason === undefined) delete running.waitsFor;
      else running.waitsFor = reason;
    },
  };
  const temporal = await connect(input, waiting);
  const cluster = usesCluster(input) ? watchCluster(options, logger) : undefined;
  if (cluster) running.closers.push(() => cluster.close());
  const { platform: kind, simulator } = options;
  const choice = { platform: kind, simulator, cluster, watchOnly: role === 'bridge' };
  const platform = openPlatform(choice, logger);
  running.closers.push(() => platform.close());
  running.platform = platform;
  if (role !== 'bridge') await startWorker(input, temporal, platform, waiting);
  if (role !== 'worker') await startBridge(input, temporal, platform, cluster);
}

/** Connects to Temporal, and registers the search attributes there. */
async function connect({ target, running }: StartInput, waiting: Waiting): Promise<TemporalClient> {
  const { connectClient, registerSearchAttributes, SearchAttributeError, untilReachable } = lazy.worker();
  const temporal = await untilReachable(() => connectClient(target), waiting);
  running.closers.push(() => temporal.close());
  running.client = temporal.client;
  await untilReachable(() => registerSearchAttributes(temporal.client, target.namespace), {
    ...waiting,
    // A wrong type stays wrong.
    isTemporary: (error) => !(error instanceof SearchAttributeError),
  });
  return temporal;
}

async function startWorker(
  { target, logger, running, sdkMetricsAddress }: StartInput,
  { client }: TemporalClient,
  { platform, observer }: RunningPlatform,
  waiting: Waiting,
): Promise<void> {
  const { startWorker: start, TemporalUnreachable, untilReachable } = lazy.worker();
  const options = {
    ...{ target, platform, observer, client, logger },
    ...(sdkMetricsAddress !== undefined && { metricsAddress: sdkMetricsAddress }),
  };
  const worker = await untilReachable(() => start(options), {
    ...waiting,
    isTemporary: (error) => error instanceof TemporalUnreachable,
  });
  running.worker = worker;
  running.closers.push(() => worker.shutdown());
}

async function startBridge(
  { paths, options, logger, running, health: { registry } }: StartInput,
  { client }: TemporalClient,
  { observer }: RunningPlatform,
  cluster: WatchedCluster | undefined,
): Promise<void> {
  const common = { client, observer, logger, onEvent: lazy.worker().countEvents(registry) };
  const onWaiting = (reason: string): void => void (running.waitsFor = reason);
  const bridge =
    options.source === 'kubernetes' && cluster
      ? await startClusterBridge({ ...common, cluster, options, registry, onWaiting })
      : await startFolderBridge({ ...common, paths, folder: dataFolder(options.data) });
  running.bridge = bridge;
  running.closers.push(() => bridge.stop());
}

function usesCluster({ role, options }: StartInput): boolean {
  return options.platform === 'vm-operator' || (role !== 'worker' && options.source === 'kubernetes');
}
