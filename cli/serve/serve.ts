/** `vmgroup worker`, `bridge` and `serve`: the long-running processes. */
import { pino, type Logger } from 'pino';
import type { Health, TemporalTarget } from '../../worker';
import { namedTarget } from '../connections';
import { dataFolder, lockFolder, newRecord, platformRecord, readRecord, writeRecord } from '../data-folder';
import { CliError, EXIT, messageOf } from '../errors';
import * as lazy from '../lazy';
import { closeAll, LOG_FORMAT, logTo, stopSignal, untilStopped, type Closer } from '../runtime';
import { freePort } from '../temporal-server';
import type { Role, ServeOptions } from './options';
import { notReady, type Running } from './running';
import { startParts } from './start';

/**
 * Runs until a signal. Ends the process: 0 after a signal, 1 if a part failed.
 *
 * @throws CliError if paths and source do not fit, or another process works on the data folder.
 */
export async function serve(role: Role, paths: string[], options: ServeOptions): Promise<void> {
  if (role !== 'worker') checkSource(role, paths, options);
  const logger = pino({ ...LOG_FORMAT, level: options.logLevel }, logTo(1));
  const signal = stopSignal();
  // Loaded only where it is asked for.
  const tracing = options.traces ? lazy.tracing().startTracing(options.traces, role) : undefined;
  const target = { ...namedTarget(options), ...(tracing && { clientInterceptors: tracing.client }) };
  const fault = new AbortController();
  const running: Running = { role, closers: [] };
  const { closers } = running;
  if (tracing) closers.push(() => tracing.stop());
  // Two bridges may run at once, but two that write status into one folder would undo each other's changes.
  if (role !== 'worker' && options.source === 'directory')
    closers.push(await takeFolder(role, paths, options, target, (why) => fault.abort(new Error(why))));
  const sdkMetricsAddress = role === 'bridge' ? undefined : `127.0.0.1:${await freePort(0)}`;
  const health = await startHealthPage(options, running, sdkMetricsAddress);
  closers.push(() => health.close());
  logger.info(
    { role, address: health.address, temporal: target.address, temporalNamespace: target.namespace },
    'starting',
  );
  const started = startParts({
    role,
    paths,
    options,
    target,
    logger,
    signal,
    running,
    sdkMetricsAddress,
    health,
    tracing,
  });
  const exitCode = await untilEnded(started, running, logger, { signal, fault: fault.signal });
  logger.info('stopping');
  await closeAll(closers, logger);
  process.exit(exitCode);
}

/** Waits until a signal, until a part fails, or until `fault` aborts with an error. Returns the exit code. */
async function untilEnded(
  started: Promise<void>,
  running: Running,
  logger: Logger,
  { signal, fault }: { signal: AbortSignal; fault: AbortSignal },
): Promise<number> {
  const stopped = Promise.race([untilStopped(signal), untilStopped(fault)]);
  try {
    // What the start waits for, such as permissions, must not delay the end.
    await Promise.race([started, stopped]);
    if (!signal.aborted && !fault.aborted) logger.info('ready');
    await Promise.race([stopped, running.worker?.run ?? new Promise(() => undefined)]);
    fault.throwIfAborted();
    if (!signal.aborted) throw new Error('the worker stopped by itself');
  } catch (error: unknown) {
    if (signal.aborted) return EXIT.ok;
    logger.fatal({ err: error }, 'vmgroup ends after an error');
    return EXIT.failed;
  }
  return EXIT.ok;
}

/** @throws CliError if paths and source do not fit. */
function checkSource(role: Role, paths: string[], { source }: ServeOptions): void {
  if (source === 'directory' && paths.length === 0) {
    throw new CliError('no manifests are named: the source directory reads files and folders', [
      `name them: vmgroup ${role} PATH...`,
      'or read the objects of a cluster: --source kubernetes',
    ]);
  }
  if (source === 'kubernetes' && paths.length > 0) {
    throw new CliError('the source kubernetes reads the objects of a cluster, and no files', [
      `apply them: kubectl apply -f ${paths.join(' -f ')}`,
      'or read the files: --source directory',
    ]);
  }
}

async function startHealthPage(
  { healthPort: port, healthHost: host }: ServeOptions,
  running: Running,
  sdkMetricsAddress: string | undefined,
): Promise<Health> {
  try {
    return await lazy.worker().startHealth({
      port,
      host,
      ...(sdkMetricsAddress !== undefined && { sdkMetricsAddress }),
      notReady: () => notReady(running),
    });
  } catch (error: unknown) {
    throw new CliError(`the health page cannot listen on ${host}:${port}: ${messageOf(error)}`, [
      'name another port: --health-port PORT, or 0 for any free one',
    ]);
  }
}

/** Locks the data folder, and records there what runs. Returns the function that releases the lock. */
async function takeFolder(
  role: 'bridge' | 'serve',
  paths: string[],
  { data, simulator, platform, platforms }: ServeOptions,
  { address, namespace }: TemporalTarget,
  onLost: (why: string) => void,
): Promise<Closer> {
  const folder = dataFolder(data);
  const unlock = await lockFolder(folder, role, onLost);
  const last = readRecord(folder);
  const orphan = last?.temporal?.pid ?? last?.orphan;
  const record = newRecord(role, paths, {
    temporal: { address, namespace },
    ...(orphan !== undefined && { orphan }),
    // Of other platforms the address is a default that nothing listens on.
    ...(platform === 'simulated' && { simulator: { address: simulator } }),
    platform: platformRecord(platform, platforms),
  });
  writeRecord(folder, record);
  return unlock;
}
