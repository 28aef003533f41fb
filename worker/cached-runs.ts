/**
 * Runs that the server still offers to a worker that is gone. The server gives the next task of a run to the worker that has the run in its
 * memory, and waits for it: seconds, where that worker was killed.
 */
import type { Client } from '@temporalio/client';
import pMap from 'p-map';
import type { Logger } from 'pino';
import { OPEN_QUERY, quotedText, RUNS_QUERY } from '../contract';

/** Most runs that are listed; the server offers the tasks of all others to any worker after a few seconds. */
const MOST_RUNS = 2_000;

/** Requests under way at a time. */
const CONCURRENCY = 20;

/**
 * Makes the server offer the next task of every open run to any worker. A run that a live worker has cached is read again by the worker that
 * takes its next task. Does not reject: runs that it cannot reach are offered later.
 *
 * @param taskQueue Task queue of the runs.
 */
export async function offerRunsToAnyWorker(
  client: Client,
  namespace: string,
  taskQueue: string,
  logger: Logger,
): Promise<void> {
  const query = `${RUNS_QUERY} AND ${OPEN_QUERY} AND TaskQueue = ${quotedText(taskQueue)}`;
  try {
    const runs = await openRuns(client, query);
    const reset = ({ workflowId, runId }: { workflowId: string; runId: string }): Promise<unknown> =>
      client.workflowService
        .resetStickyTaskQueue({ namespace, execution: { workflowId, runId } })
        .catch((error: unknown) =>
          logger.debug({ err: error, workflowId, runId }, 'failed to offer the run to any worker'),
        );
    await pMap(runs, reset, { concurrency: CONCURRENCY });
    logger.debug({ runs: runs.length }, 'open runs are offered to any worker');
  } catch (error: unknown) {
    logger.debug({ err: error }, 'failed to list open runs; their tasks wait for their last worker first');
  }
}

async function openRuns(client: Client, query: string): Promise<{ workflowId: string; runId: string }[]> {
  const runs: { workflowId: string; runId: string }[] = [];
  for await (const { workflowId, runId } of client.workflow.list({ query })) {
    if (runs.push({ workflowId, runId }) >= MOST_RUNS) break;
  }
  return runs;
}
