/** How long the runs took that `plan` would repeat. */
import type { Plan } from '../../contract';
import { spread, type Spread } from '../../insight';
import { findTarget } from '../connections';
import { dataFolder, readLiveRecord } from '../data-folder';
import * as lazy from '../lazy';
import { isOnCluster } from '../options';
import type { PlanOptions } from './options';

/** Past runs of a group to the same power state, from start to end; `runs` 0: there are none. */
export type PastTimes = Spread | { runs: 0 };

/** Longest wait for a connection, milliseconds. */
const CONNECT_TIMEOUT = 3_000;

/** Reads what past runs of each plan took, if a Temporal server is named or runs on the data folder. Never rejects: undefined is unknown. */
export async function pastTimes(
  plans: readonly Plan[],
  options: PlanOptions,
): Promise<(PastTimes | undefined)[]> {
  const nothing = plans.map(() => undefined);
  if (!isNamed(options)) return nothing;
  try {
    const temporal = await lazy.worker().connectClient(findTarget(options), CONNECT_TIMEOUT);
    try {
      const times: (PastTimes | undefined)[] = [];
      for (const plan of plans) {
        const runs = await lazy.bridge().readPastRuns(temporal.client, plan, plan.powerState);
        times.push(spread(runs.map(({ startedAt, endedAt }) => endedAt - startedAt)) ?? { runs: 0 });
      }
      return times;
    } finally {
      await temporal.close();
    }
  } catch {
    return nothing;
  }
}

function isNamed(options: PlanOptions): boolean {
  if (
    (options.temporal ?? process.env['TEMPORAL_ADDRESS'] ?? process.env['TEMPORAL_CONFIG_FILE']) !== undefined
  )
    return true;
  return !isOnCluster(options) && readLiveRecord(dataFolder(options.data)) !== undefined;
}
