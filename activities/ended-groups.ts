/** Finds nested runs that have ended without notifying the parent's run: terminated ones, and those of older builds. */
import { Context } from '@temporalio/activity';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import pMap from 'p-map';
import type { FindEndedGroupsInput, FindEndedGroupsResult } from '../contract';
import type { ActivityDependencies } from './power';

/** Descriptions that are asked for at a time. */
const CONCURRENCY = 10;

/**
 * The activity `findEndedGroups`. It sends no heartbeat: it is short, and each one would be billed.
 *
 * @throws Error when the server does not answer: Temporal tries again.
 */
export async function findEndedGroups(
  { client: given }: ActivityDependencies,
  { operation, groups }: FindEndedGroupsInput,
): Promise<FindEndedGroupsResult> {
  const client = given ?? Context.current().client;
  const open = await pMap(groups, ({ workflowId, runId }) => isRunOpen(client, workflowId, runId), {
    concurrency: CONCURRENCY,
  });
  return { operation, ended: groups.filter((_, index) => open[index] !== true).map(({ member }) => member) };
}

/** Whether a run is open, also where it has continued as new since. Costs no billable action. */
export async function isRunOpen(client: Client, workflowId: string, runId: string): Promise<boolean> {
  try {
    const latest = await client.workflow.getHandle(workflowId).describe();
    if (latest.status.name !== 'RUNNING') return false;
    if (latest.runId === runId) return true;
    const asked = await client.workflow.getHandle(workflowId, runId).describe();
    return firstRunOf(asked) === firstRunOf(latest);
  } catch (error: unknown) {
    if (error instanceof WorkflowNotFoundError) return false;
    throw error;
  }
}

type Described = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['describe']>>;

/** The execution that a run began with, before it continued as new. */
function firstRunOf({ raw, runId }: Described): string {
  return raw.workflowExecutionInfo?.firstRunId || runId;
}
