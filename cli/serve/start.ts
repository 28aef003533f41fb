/** Starts the parts of a long-running process. */
import { setTimeout as sleep } from 'node:timers/promises';
import pRetry from 'p-retry';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { PlatformObject } from '../../api';
import type { Tracing } from '../../worker/tracing';
import type { Health, RunningWorker, TemporalClient, TemporalTarget } from '../../worker';
import { dataFolder } from '../data-folder';
import { CliError } from '../errors';
import * as lazy from '../lazy';
import { watchedNamespaces } from '../options';
import {
  openPlatform,
  openPlatforms,
  readPlatforms,
  forgetGroup,
  workerStarts,
  startBridgeBoard,
  startClusterBridge,
  startFolderBridge,
  watchCluster,
  watchKubevirt,
  type RunningPlatforms,
  type WatchedCluster,
} from '../runtime';
import { clusterUse, type ClusterUse } from './cluster-use';
import { showEnds } from './expected-ends';
import { statesOf } from './states';
import { Estimates, PastRuns } from '../groups';
import { isDatabase, keptRecord, startRecording } from '../record';
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
  /** Absent: there are no traces. */
  tracing: Tracing | undefined;
}

/** How long `untilReachable` of `worker/` retries, and whom it notifies. */
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
  const described = await readPlatforms(options.platforms ?? []);
  const use = clusterUse(role, options, described);
  const cluster = use && watchVms(use, logger);
  if (cluster) running.closers.push(() => cluster.close());
  const platforms = openAll(input, described, use, cluster);
  running.closers.push(() => platforms.close());
  running.platforms = platforms;
  if (role !== 'bridge') await startWorkers(input, temporal, platforms, waiting);
  if (role !== 'worker') await startBridge(input, temporal, platforms, cluster);
}

function openAll(
  { role, options, logger }: StartInput,
  platforms: readonly PlatformObject[],
  use: ClusterUse | undefined,
  cluster: WatchedCluster | undefined,
): RunningPlatforms {
  const { platform: byDefault, simulator } = options;
  const watchOnly = role === 'bridge';
  return openPlatforms(
    {
      byDefault,
      platforms,
      watchOnly,
      companion: options.mode === 'companion',
      ...(use?.isDefaultPlatform && !use.isKubevirt && { opensDefault: 'vm-operator' as const }),
      openBuiltIn: (type) => openPlatform({ platform: type, simulator, cluster, watchOnly }, logger),
    },
    logger,
  );
}

/** Connects to Temporal, and registers the search attributes there. */
async function connect({ target, running }: StartInput, waiting: Waiting): Promise<TemporalClient> {
  const { connectClient, registerSearchAttributes, SearchAttributeError, untilReachable } = lazy.worker();
  const temporal = await untilReachable(() => connectClient(target), waiting);
  running.closers.push(() => temporal.close());
  running.client = temporal.client;
  await untilReachable(() => registerSearchAttributes(temporal.client, target), {
    ...waiting,
    // A wrong type stays wrong.
    isTemporary: (error) => !(error instanceof SearchAttributeError),
  });
  return temporal;
}

/** Starts a worker for the default platform and the workflows, and one for each other platform; with `--at` only those named. */
async function startWorkers(
  { target, logger, running, sdkMetricsAddress, tracing, options: { at }, health: { registry } }: StartInput,
  { client }: TemporalClient,
  platforms: RunningPlatforms,
  waiting: Waiting,
): Promise<void> {
  const { countOperations, joinWorkers, TemporalUnreachable, untilReachable } = lazy.worker();
  const unknown = at?.find((name) => !platforms.others.has(name));
  if (unknown !== undefined) throw notOfAPlatform(unknown, [...platforms.others.keys()]);
  const common = {
    target,
    client,
    logger,
    ...(sdkMetricsAddress !== undefined && { metricsAddress: sdkMetricsAddress }),
    interceptors: {
      activity: [...(countOperations(registry).activity ?? []), ...(tracing?.activity ?? [])],
    },
  };
  const workers: RunningWorker[] = [];
  for (const start of workerStarts(platforms, common, { at, asSeen: tracing?.platform })) {
    const worker = await untilReachable(start, {
      ...waiting,
      isTemporary: (error) => error instanceof TemporalUnreachable,
    });
    workers.push(worker);
    running.closers.push(() => worker.shutdown());
  }
  running.worker = joinWorkers(workers);
}

function notOfAPlatform(name: string, names: readonly string[]): CliError {
  return new CliError(`--at names ${name}, and there is no such Platform`, [
    names.length > 0 ? `there are ${names.join(', ')}` : 'describe it in a file: --platforms FILE',
  ]);
}

async function startBridge(
  { paths, options, target, logger, signal, running, health: { registry } }: StartInput,
  { client }: TemporalClient,
  platforms: RunningPlatforms,
  cluster: WatchedCluster | undefined,
): Promise<void> {
  const { observers, byDefault } = platforms;
  const placesAhead = byDefault.platform.name === 'vm-operator' && !cluster?.companion;
  const { countEvents, countRuns, showQueue, showStates } = lazy.worker();
  const count = countRuns(registry);
  const forget = forgetGroup(platforms, logger);
  const onView: typeof count = (group, view) => {
    count(group, view);
    if (!view) forget(group);
  };
  const common = {
    client,
    observers,
    logger,
    onEvent: countEvents(registry, lazy.bridge().EVENT_REASONS),
    onView,
  };
  const onWaiting = (reason: string): void => void (running.waitsFor = reason);
  const bridge =
    options.source === 'kubernetes' && cluster
      ? await startClusterBridge({ ...common, cluster, options, placesAhead, registry, onWaiting })
      : await startFolderBridge({
          ...common,
          target,
          paths,
          folder: dataFolder(options.data),
          namespaces: watchedNamespaces(options),
          ...(cluster && { cluster }),
        });
  showStates(registry, () => statesOf(bridge));
  showQueue(registry, () => bridge.bridge.queue());
  running.closers.push(showEnds(registry, bridge, client));
  running.bridge = bridge;
  running.closers.push(() => bridge.stop());
  await startBoard(bridge, { options, target, logger, running });
  await startRecord(options, client, running, { logger, signal });
}

async function startBoard(
  bridge: Parameters<typeof startBridgeBoard>[1],
  { options, target, logger, running }: Pick<StartInput, 'options' | 'target' | 'logger' | 'running'>,
): Promise<void> {
  const estimates = new Estimates(new PastRuns(options));
  const estimateOf = (group: Parameters<Estimates['of']>[0]): ReturnType<Estimates['of']> =>
    estimates.of(group);
  const boardOptions = { ...options, temporalNamespace: target.namespace, estimateOf };
  const board = await startBridgeBoard(boardOptions, bridge, logger);
  if (!board) return;
  running.closers.push(async () => {
    await board.close();
    await estimates.close();
  });
}

/** Milliseconds between two tries to open a record in a database. */
const RECORD_PAUSE = 5_000;

/**
 * Keeps a record. What keeps it from being opened keeps no process from its work, unless a folder was named that cannot be used: a database may
 * come back.
 *
 * @throws CliError as `startRecording`, for a folder that was named.
 */
async function startRecord(
  options: ServeOptions,
  client: Client,
  { closers }: Running,
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): Promise<void> {
  const record = keptRecord(options, options.source === 'directory');
  if (record === undefined) return;
  const start = async (): Promise<void> =>
    void closers.push(await startRecording({ ...options, record }, client, logger));
  try {
    await start();
  } catch (error: unknown) {
    if (options.record !== undefined && !isDatabase(record)) throw error;
    logger.error({ err: error }, 'failed to open the record, recording nothing yet');
    if (isDatabase(record)) void openLater(start, { logger, signal });
  }
}

/** Opens the record of a database that is away, until `signal` aborts. */
async function openLater(
  start: () => Promise<void>,
  { logger, signal }: { logger: Logger; signal: AbortSignal },
): Promise<void> {
  const retries = { retries: Infinity, minTimeout: RECORD_PAUSE, factor: 1, signal };
  const onFailedAttempt = ({ error }: { error: Error }): void =>
    logger.debug({ err: error }, 'failed to open the record, retrying');
  await sleep(RECORD_PAUSE, undefined, { signal })
    .then(() => pRetry(start, { ...retries, onFailedAttempt }))
    .catch((error: unknown) => {
      if (!signal.aborted) logger.error({ err: error }, 'failed to open the record, recording nothing');
    });
}

function watchVms({ options, companion, isKubevirt }: ClusterUse, logger: Logger): WatchedCluster {
  return isKubevirt ? watchKubevirt(options, logger) : watchCluster(options, logger, companion);
}
