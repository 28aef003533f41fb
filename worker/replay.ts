/** Replays recorded histories against the workflow code of this build. */
import { historyFromJSON } from '@temporalio/common/lib/proto-utils';
import type { temporal } from '@temporalio/proto';
import { Worker } from '@temporalio/worker';
import { pino } from 'pino';
import { withLastTask } from './last-task';
import { installRuntime } from './runtime';
import { workflowSource, type WorkflowSource } from './workflow-source';

/** One history to replay. */
export interface RecordedHistory {
  /** Names it in results: a file. */
  name: string;
  workflowId: string;
  /** The history, as the SDK's `historyFromJSON` or Temporal's own tools print it. */
  history: unknown;
}

/** How one replay went. */
export interface ReplayResult {
  name: string;
  /** What differs; absent: nothing. */
  difference?: string;
}

/** Replays each history, in order; `workflows` where the code is not that of this build. */
export async function replayHistories(
  histories: RecordedHistory[],
  workflows: WorkflowSource = workflowSource(),
): Promise<ReplayResult[]> {
  // What fails is in the results.
  installRuntime(pino({ level: 'silent' }));
  const results: ReplayResult[] = [];
  for (const { name, workflowId, history } of histories) {
    const difference = await replayOne(workflows, workflowId, history);
    results.push({ name, ...(difference !== undefined && { difference }) });
  }
  return results;
}

async function replayOne(
  workflows: WorkflowSource,
  workflowId: string,
  history: unknown,
): Promise<string | undefined> {
  try {
    await Worker.runReplayHistory(workflows, withLastTask(read(history)), workflowId);
    return undefined;
  } catch (error: unknown) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** A history as the SDK's types have it. */
function read(history: unknown): temporal.api.history.v1.IHistory {
  const [first] = (history as { events: { eventId: unknown }[] }).events;
  return typeof first?.eventId === 'string' ? historyFromJSON(history) : (history as ReturnType<typeof read>);
}
