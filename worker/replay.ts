/**
 * Replays recorded histories against the workflow code of this build.
 *
 * The SDK reports no error for an open history whose last workflow task fails on replay; it only logs it. Such a log line counts as a
 * difference here.
 */
import { Worker } from '@temporalio/worker';
import { pino } from 'pino';
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

/** What the log says of failed tasks. The SDK's runtime writes to the logger of the first call for as long as the process runs. */
const failedTasks: string[] = [];

/** Replays each history, in order; `workflows` where the code is not that of this build. */
export async function replayHistories(
  histories: RecordedHistory[],
  workflows: WorkflowSource = workflowSource(),
): Promise<ReplayResult[]> {
  installRuntime(
    pino(
      { level: 'warn' },
      { write: (line) => void (isFailedTask(line) && failedTasks.push(messageIn(line))) },
    ),
  );
  const results: ReplayResult[] = [];
  for (const { name, workflowId, history } of histories) {
    failedTasks.length = 0;
    const difference = (await replayOne(workflows, workflowId, history)) ?? failedTasks[0];
    results.push({ name, ...(difference !== undefined && { difference }) });
  }
  return results;
}

function isFailedTask(line: string): boolean {
  return /failing workflow task|nondeterminism/i.test(line);
}

function messageIn(line: string): string {
  const { msg, error, failure } = JSON.parse(line) as { msg: string; error?: unknown; failure?: unknown };
  const detail = error ?? failure;
  return detail === undefined
    ? msg
    : `${msg} ${typeof detail === 'string' ? detail : JSON.stringify(detail)}`;
}

async function replayOne(
  workflows: WorkflowSource,
  workflowId: string,
  history: unknown,
): Promise<string | undefined> {
  try {
    await Worker.runReplayHistory(workflows, history, workflowId);
    return undefined;
  } catch (error: unknown) {
    return error instanceof Error ? error.message : String(error);
  }
}
