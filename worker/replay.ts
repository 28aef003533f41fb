/**
 * Replays recorded histories against the workflow code of this build.
 *
 * The SDK reports no error for an open history whose last workflow task fails on replay; it only logs it. Such a log line counts as a
 * difference here.
 */
import { Worker } from '@temporalio/worker';
import type { Logger } from 'pino';
import { installRuntime } from './runtime';
import { workflowSource } from './workflow-source';

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

/** Replays each history, in order. */
export async function replayHistories(histories: RecordedHistory[], logger: Logger): Promise<ReplayResult[]> {
  const failedTasks: string[] = [];
  const watched = logger.child({}, { level: 'trace' });
  watched.warn = (...args: unknown[]) => note(args);
  watched.error = (...args: unknown[]) => note(args);
  function note(args: unknown[]): void {
    const text = args.map((arg) => (typeof arg === 'string' ? arg : '')).join(' ');
    if (/Failing workflow task|Nondeterminism/i.test(text)) failedTasks.push(text);
  }
  installRuntime(watched);
  const results: ReplayResult[] = [];
  for (const { name, workflowId, history } of histories) {
    failedTasks.length = 0;
    const difference = await replayOne(workflowId, history);
    const found = difference ?? failedTasks[0]?.trim();
    results.push({ name, ...(found !== undefined && { difference: found }) });
  }
  return results;
}

async function replayOne(workflowId: string, history: unknown): Promise<string | undefined> {
  try {
    await Worker.runReplayHistory(workflowSource(), history, workflowId);
    return undefined;
  } catch (error: unknown) {
    return error instanceof Error ? error.message : String(error);
  }
}
