/** The last closed runs of a group, from Temporal. */
import type { Client } from '@temporalio/client';
import pMap from 'p-map';
import type { ObjectName } from '../../api';
import {
  RUNS_QUERY,
  searchAttributeKeys,
  workflowId,
  type DesiredPowerState,
  type RunOutcome,
} from '../../contract';
import { pastRunOf, type PastRun } from '../../insight';

/** Runs that are read, the newest first: enough for a 90th percentile, and few enough to read at once. */
const MOST_RUNS = 20;
/** Results that are read at the same time. */
const CONCURRENCY = 5;
/** Longest wait for an answer, milliseconds. */
const CALL_TIMEOUT = 5_000;

/**
 * The last runs of a group to a power state that ended in it, at most 20, the newest first. No billable action: a list, and the last event of
 * each. Runs of older builds, which kept no times, are left out. Rejects if the server does not answer.
 */
export async function readPastRuns(
  client: Client,
  { namespace, name }: ObjectName,
  powerState: DesiredPowerState,
): Promise<PastRun[]> {
  const id = workflowId(namespace, name);
  const query = [
    RUNS_QUERY,
    `WorkflowId = '${id}'`,
    `ExecutionStatus = 'Completed'`,
    `${searchAttributeKeys.powerState.name} = '${powerState}'`,
    `${searchAttributeKeys.phase.name} IN ('Converged', 'ConvergedWithExceptions')`,
  ].join(' AND ');
  const runIds: string[] = [];
  await client.withDeadline(Date.now() + CALL_TIMEOUT, async () => {
    for await (const { runId } of client.workflow.list({ query, pageSize: MOST_RUNS })) {
      runIds.push(runId);
      if (runIds.length >= MOST_RUNS) break;
    }
  });
  const read = await pMap(runIds, (runId) => readOne(client, id, runId), { concurrency: CONCURRENCY });
  return read.filter((run) => run !== undefined);
}

async function readOne(client: Client, id: string, runId: string): Promise<PastRun | undefined> {
  const handle = client.workflow.getHandle(id, runId, { followRuns: false });
  try {
    const result = (): Promise<unknown> => handle.result();
    const outcome = await client.withDeadline(Date.now() + CALL_TIMEOUT, result);
    return pastRunOf(runId, outcome as RunOutcome);
  } catch {
    // Deleted since it was listed, or too slow: the others are enough.
    return undefined;
  }
}
