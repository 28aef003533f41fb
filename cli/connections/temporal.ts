/** Connections to the Temporal server that the groups run on. */
import type { TemporalClient, TemporalTarget } from '../../worker';
import { dataFolder, readLiveRecord } from '../data-folder';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';
import { isOnCluster, type GroupOptions } from '../options';

/** Longest wait for a server to answer, milliseconds. */
const CONNECT_TIMEOUT = 5_000;

/**
 * The Temporal server of a command: the one that the flags name; otherwise, unless the groups are on a cluster, the one of the `up` or
 * `serve` that runs on the data folder; otherwise the one of the environment or of Temporal's configuration file.
 */
export function findTarget(options: GroupOptions): TemporalTarget {
  const running = isOnCluster(options) ? undefined : readLiveRecord(dataFolder(options.data))?.temporal;
  if (options.temporal === undefined && running !== undefined) {
    const { address, namespace } = running;
    if (running.pid !== undefined) return lazy.worker().localTarget(address, namespace);
    return lazy.worker().temporalTarget({ address, namespace: options.namespace ?? namespace });
  }
  return namedTarget(options);
}

/** The Temporal server that the flags name, otherwise that of the environment or of Temporal's configuration file. */
export function namedTarget({
  temporal,
  namespace,
}: {
  temporal?: string;
  namespace?: string;
}): TemporalTarget {
  return lazy.worker().temporalTarget({
    ...(temporal !== undefined && { address: temporal }),
    ...(namespace !== undefined && { namespace }),
  });
}

/** Whether flags, the environment or Temporal's configuration file name a Temporal server. */
export function isTemporalNamed({ temporal }: { temporal?: string }): boolean {
  return temporal !== undefined || lazy.worker().isTemporalConfigured();
}

/** Runs `work` with a client of the command's Temporal server. Throws as {@link connectTemporal}. */
export async function withTemporalClient<T>(
  options: GroupOptions,
  work: (client: TemporalClient['client']) => Promise<T>,
): Promise<T> {
  const temporal = await connectTemporal(findTarget(options));
  try {
    return await work(temporal.client);
  } finally {
    await temporal.close();
  }
}

/**
 * Connects a client.
 *
 * @throws CliError if the server does not answer within 5 s.
 */
export async function connectTemporal(target: TemporalTarget): Promise<TemporalClient> {
  try {
    return await lazy.worker().connectClient(target, CONNECT_TIMEOUT);
  } catch (error: unknown) {
    throw new CliError(messageOf(error), [
      'start a server with everything else: vmgroup up PATH',
      'or name a running one: --temporal HOST:PORT (or TEMPORAL_ADDRESS)',
      'check the set-up: vmgroup doctor',
    ]);
  }
}
