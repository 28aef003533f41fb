/** When open runs are expected to end, as metrics of a bridge. */
import type { Client } from '@temporalio/client';
import type { Registry } from 'prom-client';
import { openProgress, type KnownGroup, type PastRun } from '../../insight';
import { Estimates } from '../groups';
import * as lazy from '../lazy';
import type { Closer, RunningBridge } from '../runtime';

/**
 * Shows when the open runs of a bridge are expected to end, by the past runs that Temporal still has: a record may be long, and this is read
 * during a failover. A bridge that does not lead, or is behind, shows none. Returns what ends it.
 */
export function showEnds(
  registry: Registry,
  { views, behind }: Pick<RunningBridge, 'views' | 'behind'>,
  client: Client,
): Closer {
  const estimates = new Estimates({
    of: (group) => pastOf(client, group),
    close: async () => undefined,
  });
  const read = (): ReturnType<typeof views> => {
    if (behind() !== undefined) return [];
    const shown = views();
    estimates.keepOnly(shown);
    return shown;
  };
  lazy.worker().showExpectedEnds(registry, read, (group) => estimates.of(group));
  return () => estimates.close();
}

async function pastOf(client: Client, group: KnownGroup): Promise<readonly PastRun[] | undefined> {
  const progress = openProgress(group);
  if (!progress) return undefined;
  return lazy
    .bridge()
    .readPastRuns(client, group.metadata, progress.powerState)
    .catch(() => undefined);
}
