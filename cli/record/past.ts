/** The past runs of a group, as the record has them. */
import type { ObjectName } from '../../api';
import type { DesiredPowerState } from '../../contract';
import type { PastRun } from '../../insight';
import type { RecordReader, RunEvent } from '../../record';
import * as lazy from '../lazy';
import type { RecordOptions } from '../options';
import { openReader } from './location';

/** Runs that are read, the newest first: as many as are read from Temporal. */
const MOST_RUNS = 20;

/**
 * The last runs of a group to a power state that ended in it, at most 20, the newest first.
 *
 * @throws CliError if the record cannot be read.
 */
export async function readRecordedPast(
  options: RecordOptions,
  { namespace, name }: ObjectName,
  powerState: DesiredPowerState,
): Promise<PastRun[]> {
  const reader = await openReader(options);
  try {
    const id = lazy.contract().workflowId(namespace, name);
    const runs = await lastRuns(reader, id, powerState);
    const { recordedPastRun, timelineOf } = lazy.board();
    return [...runs.values()]
      .flatMap((events) => recordedPastRun(timelineOf(events)) ?? [])
      .sort((a, b) => b.startedAt - a.startedAt);
  } finally {
    await reader.close();
  }
}

/** The events of the last runs that ended in the power state, by run id. */
async function lastRuns(
  reader: RecordReader,
  workflowId: string,
  powerState: DesiredPowerState,
): Promise<Map<string, RunEvent[]>> {
  const ended: string[] = [];
  for await (const { event } of reader.entries({ workflowId, kinds: ['RunCompleted'] }))
    if (event.kind === 'RunCompleted' && event.outcome?.powerState === powerState)
      ended.push(event.run.runId);
  const runs = new Map(ended.slice(-MOST_RUNS).map((runId) => [runId, [] as RunEvent[]]));
  if (runs.size === 0) return runs;
  for await (const { event } of reader.entries({ workflowId }))
    if ('run' in event) runs.get(event.run.runId)?.push(event);
  return runs;
}
