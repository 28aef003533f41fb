/** The past runs that `plan` would repeat. */
import type { Plan } from '../../contract';
import type { PastRun } from '../../insight';
import type { TemporalClient } from '../../worker';
import { findTarget } from '../connections';
import { dataFolder, readLiveRecord } from '../data-folder';
import { readPast } from '../groups';
import * as lazy from '../lazy';
import { isOnCluster, type GroupOptions, type RecordOptions } from '../options';

/** Where the past is read. */
export type PastOptions = GroupOptions & RecordOptions;

/** Longest wait for a connection, milliseconds. */
const CONNECT_TIMEOUT = 3_000;

/** Reads the past runs of each plan, if there is a record, or a Temporal server that is named or runs on the data folder. Never rejects: undefined is unknown. */
export async function readPasts(
  plans: readonly Plan[],
  options: PastOptions,
): Promise<(readonly PastRun[] | undefined)[]> {
  if (!isNamed(options) && options.record === undefined) return plans.map(() => undefined);
  // Tried once, for all of the plans.
  let temporal: Promise<TemporalClient> | undefined;
  const connect = async (): Promise<TemporalClient['client']> => {
    if (!isNamed(options)) throw new Error('no Temporal server is named');
    temporal ??= lazy.worker().connectClient(findTarget(options), CONNECT_TIMEOUT);
    return (await temporal).client;
  };
  const pasts: (readonly PastRun[] | undefined)[] = [];
  for (const plan of plans) pasts.push(await readPast(options, plan, plan.powerState, connect));
  await temporal?.then((client) => client.close()).catch(() => undefined);
  return pasts;
}

function isNamed(options: PastOptions): boolean {
  if (
    (options.temporal ?? process.env['TEMPORAL_ADDRESS'] ?? process.env['TEMPORAL_CONFIG_FILE']) !== undefined
  )
    return true;
  return !isOnCluster(options) && readLiveRecord(dataFolder(options.data)) !== undefined;
}
