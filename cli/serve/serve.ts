/** `vmgroup worker`, `bridge` and `serve`: the long-running processes. */
import path from 'node:path';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { pino } from 'pino';
import type { Health, RunningWorker, TemporalTarget } from '../../worker';
import type { FollowedCluster } from '../runtime/cluster-parts';
import { followCluster, startBridgeOnCluster } from '../runtime/cluster-parts';
import type { Parts, ServeOptions } from '.';
import { dataFolder, lockFolder, writeRecord } from '../data-folder/data-folder';
import { CliError, EXIT } from '../errors';
import * as lazy from '../lazy';
import type { RunningBridge, RunningPlatform } from '../runtime/parts';
import { LOG_FORMAT, startBridgeOn, watchPlatform, watchSimulator } from '../runtime/parts';
import { startedAt } from '../temporal-server/processes';
import { closeAll, stopSignal, untilStopped } from '../runtime/stop';
import { freePort } from '../temporal-server/temporal-server';

/** What a process carries, as far as it has come. */
interface Running {
  client?: Client;
  platform?: RunningPlatform;
  worker?: RunningWorker;
  bridge?: RunningBridge;
  /** Why a part that starts cannot go on. */
  waitsFor?: string;
}

/** Runs until a signal. Ends the process: 0 after a signal, 1 when a part died. */
export async function serve(parts: Parts, paths: string[], options: ServeOptions): Promise<void> {
  if (parts !== 'worker') checkSource(paths, options);
  const logger = pino({ ...LOG_FORMAT, level: options.logLevel });
  const signal = stopSignal();
  const target = lazy.worker().temporalTarget({
    ...(options.temporal !== undefined && { address: options.temporal }),
    ...(options.namespace !== undefined && { namespace: options.namespace }),
  });
  const closers: (() => Promise<unknown>)[] = [];
  // Two bridges at once do no harm, but two that write status into one folder would undo each other's words.
  if (parts !== 'worker' && options.source === 'directory')
    closers.push(await takeFolder(parts, paths, options, target));
  const running: Running = {};
  const sdkMetricsAddress = parts === 'bridge' ? undefined : `127.0.0.1:${await freePort(0)}`;
  const health = await startHealthPage(parts, options, running, sdkMetricsAddress);
  closers.push(() => health.close());
  logger.info(
    { address: health.address, temporal: target.address, namespace: target.namespace },
    `vmgroup ${parts} starts`,
  );
  let exitCode: number = EXIT.ok;
  try {
    const started = startParts({
      parts,
      paths,
      options,
      target,
      logger,
      signal,
      closers,
      running,
      sdkMetricsAddress,
      health,
    });
    // What waits at the start, such as for rights, must not hold up the end.
    await Promise.race([started, untilStopped(signal)]);
    if (!signal.aborted) logger.info('ready');
    await Promise.race([untilStopped(signal), running.worker?.run ?? new Promise(() => undefined)]);
    if (!signal.aborted) throw new Error('the worker stopped by itself');
  } catch (error: unknown) {
    if (!signal.aborted) {
      exitCode = EXIT.failed;
      logger.fatal({ err: error }, 'vmgroup ends');
    }
  }
  logger.info('stopping');
  await closeAll(closers, logger);
  process.exit(exitCode);
}

/** @throws CliError where paths and source do not go together. */
function checkSource(paths: string[], { source }: ServeOptions): void {
  if (source === 'directory' && paths.length === 0) {
    throw new CliError('which manifests? the source directory reads files and folders', [
      'name them: vmgroup serve PATH...',
      'or read the objects of a cluster: --source kubernetes',
    ]);
  }
  if (source === 'kubernetes' && paths.length > 0) {
    throw new CliError('the source kubernetes reads the objects of a cluster, and no files', [
      `apply them: kubectl apply -f ${paths.join(' -f ')}`,
      'or read them from there: --source directory',
    ]);
  }
}

interface Start {
  parts: Parts;
  paths: string[];
  options: ServeOptions;
  target: TemporalTarget;
  logger: Logger;
  signal: AbortSignal;
  closers: (() => Promise<unknown>)[];
  running: Running;
  sdkMetricsAddress: string | undefined;
  health: Health;
}

async function startParts(start: Start): Promise<void> {
  const { parts, paths, options, target, logger, signal, closers, running } = start;
  const { connectClient, registerSearchAttributes, SearchAttributeError } = lazy.worker();
  const { startWorker, TemporalUnreachable, untilReachable } = lazy.worker();
  const waiting = {
    logger,
    signal,
    onWaiting: (why: string | undefined) => {
      if (why === undefined) delete running.waitsFor;
      else running.waitsFor = why;
    },
  };
  const temporal = await untilReachable(() => connectClient(target), waiting);
  closers.push(() => temporal.close());
  running.client = temporal.client;
  await untilReachable(() => registerSearchAttributes(temporal.client, target.namespace), {
    ...waiting,
    // A wrong type stays wrong.
    isTemporary: (error) => !(error instanceof SearchAttributeError),
  });
  const cluster = usesCluster(start) ? followCluster(options, logger) : undefined;
  if (cluster) closers.push(() => cluster.close());
  const platform = openPlatform(start, cluster);
  closers.push(() => platform.close());
  running.platform = platform;
  if (parts !== 'bridge') {
    const workerOptions = {
      target,
      platform: platform.platform,
      observer: platform.observer,
      client: temporal.client,
      logger,
      ...(start.sdkMetricsAddress !== undefined && { metricsAddress: start.sdkMetricsAddress }),
    };
    const worker = await untilReachable(() => startWorker(workerOptions), {
      ...waiting,
      isTemporary: (error) => error instanceof TemporalUnreachable,
    });
    running.worker = worker;
    closers.push(() => worker.shutdown());
  }
  if (parts !== 'worker') {
    const parts = {
      client: temporal.client,
      observer: platform.observer,
      logger,
      onEvent: lazy.worker().countEvents(start.health.registry),
    };
    const bridge =
      options.source === 'kubernetes' && cluster
        ? await startBridgeOnCluster({
            ...parts,
            ...{ cluster, options, registry: start.health.registry },
            onWaiting: (why) => (running.waitsFor = why),
          })
        : await startBridgeOn({ ...parts, paths, folder: dataFolder(options.data) });
    running.bridge = bridge;
    closers.push(() => bridge.stop());
  }
}

function usesCluster({ parts, options }: Start): boolean {
  return options.platform === 'vm-operator' || (parts !== 'worker' && options.source === 'kubernetes');
}

function openPlatform(
  { parts, options: { platform, simulator = '' }, logger }: Start,
  cluster: FollowedCluster | undefined,
): RunningPlatform {
  if (platform === 'simulated' || !cluster) return watchSimulator(simulator, logger);
  return watchPlatform(cluster.vmOperator(parts === 'bridge'), cluster.api.address, logger);
}

function startHealthPage(
  parts: Parts,
  options: ServeOptions,
  running: Running,
  sdkMetricsAddress: string | undefined,
): Promise<Health> {
  return lazy.worker().startHealth({
    port: options.healthPort,
    host: options.healthHost,
    ...(sdkMetricsAddress !== undefined && { sdkMetricsAddress }),
    notReady: async () =>
      (parts === 'bridge' ? undefined : await workerNotReady(running)) ??
      (parts === 'worker' ? undefined : bridgeNotReady(running)),
  });
}

async function workerNotReady({ worker, client, platform, waitsFor }: Running): Promise<string | undefined> {
  if (!worker?.polling() || !client)
    return `the worker does not poll yet${waitsFor === undefined ? '' : `: ${waitsFor}`}`;
  if (!(await lazy.worker().answers(client))) return 'Temporal does not answer';
  if (!platform?.observer.live)
    return `the platform cannot be followed: ${platform?.address} does not answer`;
  return undefined;
}

function bridgeNotReady({ bridge, waitsFor }: Running): string | undefined {
  if (!bridge) return `the bridge has not started yet${waitsFor === undefined ? '' : `: ${waitsFor}`}`;
  const { ready, message } = bridge.bridge.ready();
  return ready ? undefined : message;
}

/** Locks the data folder and says there what runs; returns how to give it back. */
async function takeFolder(
  parts: 'bridge' | 'serve',
  paths: string[],
  options: ServeOptions,
  target: TemporalTarget,
): Promise<() => Promise<void>> {
  const folder = dataFolder(options.data);
  const unlock = await lockFolder(folder, parts);
  writeRecord(folder, {
    pid: process.pid,
    processStart: startedAt(process.pid) ?? '',
    command: parts,
    manifests: paths.map((given) => path.resolve(given)),
    temporal: { address: target.address, namespace: target.namespace },
    simulator: { address: options.simulator ?? '' },
  });
  return unlock;
}
