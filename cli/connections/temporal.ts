/** How a command reaches the Temporal server that the groups run on. */
import { Option } from 'commander';
import type { Command } from 'commander';
import type { TemporalClient, TemporalTarget } from '../../worker';
import { isOnCluster, type SourceOptions } from './cluster';
import { DEFAULT_DATA, dataFolder, readLiveRecord } from '../data-folder/data-folder';
import { CliError, messageOf } from '../errors';
import * as lazy from '../lazy';

/** Options of each command that talks to Temporal. */
export interface ReachOptions {
  data: string;
  temporal?: string;
  namespace?: string;
}

/** Adds `--data`. */
export function withData(command: Command): Command {
  return command.addOption(
    new Option('--data <dir>', 'data folder of vmgroup up or serve')
      .default(DEFAULT_DATA)
      .env('VMGROUP_DATA'),
  );
}

/** Adds `--data`, `--temporal` and `--namespace`. */
export function withReach(command: Command): Command {
  return withData(command)
    .option(
      '--temporal <host:port>',
      'Temporal server (default: that of a running vmgroup up, else TEMPORAL_ADDRESS)',
    )
    .option('--namespace <name>', 'Temporal namespace (default: likewise, TEMPORAL_NAMESPACE)');
}

/**
 * The server that flags name; else the one that a living `up` or `serve` on the data folder uses, unless groups are on a cluster; else what
 * the environment and Temporal's configuration file say.
 */
export function findTarget(options: ReachOptions & SourceOptions): TemporalTarget {
  const running = isOnCluster(options) ? undefined : readLiveRecord(dataFolder(options.data))?.temporal;
  if (options.temporal === undefined && running !== undefined) {
    const { address, namespace } = running;
    if (running.pid !== undefined) return { address, namespace, connectionOptions: { address } };
    return lazy.worker().temporalTarget({ address, namespace: options.namespace ?? namespace });
  }
  return lazy.worker().temporalTarget({
    ...(options.temporal !== undefined && { address: options.temporal }),
    ...(options.namespace !== undefined && { namespace: options.namespace }),
  });
}

/** Runs `work` with a client of that server. */
export async function withClient<T>(
  options: ReachOptions,
  work: (temporal: TemporalClient, target: TemporalTarget) => Promise<T>,
): Promise<T> {
  const target = findTarget(options);
  const temporal = await connect(target);
  try {
    return await work(temporal, target);
  } finally {
    await temporal.close();
  }
}

/**
 * Connects a client.
 *
 * @throws CliError with the cure when the server does not answer.
 */
export async function connect(target: TemporalTarget): Promise<TemporalClient> {
  try {
    return await lazy.worker().connectClient(target, 5_000);
  } catch (error: unknown) {
    throw new CliError(messageOf(error), [
      'start one with everything else: vmgroup up PATH',
      'or name one that runs: --temporal HOST:PORT (or TEMPORAL_ADDRESS)',
      'vmgroup doctor tells what is wrong with the set-up',
    ]);
  }
}
