/** How long the runs took that `plan` would repeat. */
import type { Plan } from '../../contract';
import { spread, type Spread } from '../../insight';
import type { TemporalClient } from '../../worker';
import { findTarget } from '../connections';
import { dataFolder, readLiveRecord } from '../data-folder';
import { readPast } from '../groups';
import * as lazy from '../lazy';
import { isOnCluster } from '../options';
import type { PlanOptions } from './options';

/** Past runs of a group to the same power state, from start to end; `runs` 0: there are none. */
export type PastTimes = Spread | { runs: 0 };

/** Longest wait for a connection, milliseconds. */
const CONNECT_TIMEOUT = 3_000;

/** Reads what past runs of each plan took, if there is a record, or a Temporal server that is named or runs on the data folder. Never rejects: undefined is unknown. */
export async function pastTimes(
  plans: readonly Plan[],
  options: PlanOptions,
): Promise<(PastTimes | undefined)[]> {
  if (!isNamed(options) && options.record === undefined) return plans.map(() => undefined);
  // Tried once, for all of the plans.
  let temporal: Promise<TemporalClient> | undefined;
  const connect = async (): Promise<TemporalClient['client']> => {
    if (!isNamed(options)) throw new Error('no Temporal server is named');
    temporal ??= lazy.worker().connectClient(findTarget(options), CONNECT_TIMEOUT);
    return (await temporal).client;
  };
  const times: (PastTimes | undefined)[] = [];
  for (const plan of plans) {
    const runs = await readPast(options, plan, plan.powerState, connect);
    times.push(runs && (spread(runs.map(({ startedAt, endedAt }) => endedAt - startedAt)) ?? { runs: 0 }));
  }
  await temporal?.then((client) => client.close()).catch(() => undefined);
  return times;
}

function isNamed(options: PlanOptions): boolean {
  if (
    (options.temporal ?? process.env['TEMPORAL_ADDRESS'] ?? process.env['TEMPORAL_CONFIG_FILE']) !== undefined
  )
    return true;
  return !isOnCluster(options) && readLiveRecord(dataFolder(options.data)) !== undefined;
}
