/** Replays recorded histories against the workflow code of this build. */
import { historyFromJSON } from '@temporalio/common/lib/proto-utils';
import type { temporal } from '@temporalio/proto';
import { Worker } from '@temporalio/worker';
import { pino } from 'pino';
import { faultOf, withLastTask } from './last-task';
import { installRuntime } from './runtime';
import { workflowSource, type WorkflowSource } from './workflow-source';

type History = temporal.api.history.v1.IHistory;

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

/** Replays all histories, in order; `workflows` where the code is not that of this build. */
export async function replayHistories(
  histories: RecordedHistory[],
  workflows: WorkflowSource = workflowSource(),
): Promise<ReplayResult[]> {
  // What fails is in the results.
  installRuntime(pino({ level: 'silent' }));
  const results: ReplayResult[] = [];
  const add = (difference?: string): void => {
    const replayed = histories[results.length];
    if (replayed) results.push({ name: replayed.name, ...(difference !== undefined && { difference }) });
  };
  while (results.length < histories.length) {
    const left = histories.slice(results.length);
    try {
      for await (const { error } of Worker.runReplayHistories(workflows, readAll(left))) add(error?.message);
      add('the SDK gave no result');
    } catch (error: unknown) {
      // A history that cannot be read has ended the worker. The next one is replayed by another.
      add(error instanceof Error ? error.message : String(error));
    }
  }
  return results;
}

/** Each history as the SDK reads it, once it is asked for. */
function* readAll(histories: readonly RecordedHistory[]): Iterable<{ workflowId: string; history: History }> {
  for (const { workflowId, history } of histories) yield { workflowId, history: withLastTask(read(history)) };
}

/**
 * A history as the SDK's types have it.
 *
 * @throws Error where it is none. The SDK would wait for ever.
 */
function read(history: unknown): History {
  const [first] = (history as { events: { eventId: unknown }[] }).events;
  const read = typeof first?.eventId === 'string' ? historyFromJSON(history) : (history as History);
  const fault = faultOf(read.events ?? []);
  if (fault !== undefined) throw new Error(fault);
  return read;
}
