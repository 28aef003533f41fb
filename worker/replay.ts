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
  /** Why it is no history that can be replayed; absent: it is one. */
  fault?: string;
}

/** Thrown for what is no history. */
class HistoryError extends Error {
  override readonly name = 'HistoryError';
}

/** Replays all histories, in order; `workflows` where the code is not that of this build. */
export async function replayHistories(
  histories: RecordedHistory[],
  workflows: WorkflowSource = workflowSource(),
): Promise<ReplayResult[]> {
  // What fails is in the results.
  installRuntime(pino({ level: 'silent' }));
  const results: ReplayResult[] = [];
  const add = (result: Omit<ReplayResult, 'name'>): void => {
    const replayed = histories[results.length];
    if (replayed) results.push({ name: replayed.name, ...result });
  };
  while (results.length < histories.length) {
    const left = histories.slice(results.length);
    try {
      for await (const { error } of Worker.runReplayHistories(workflows, readAll(left)))
        add(error ? { difference: error.message } : {});
      add({ difference: 'the SDK gave no result' });
    } catch (error: unknown) {
      // A history that cannot be read has ended the worker. The next one is replayed by another.
      const message = error instanceof Error ? error.message : String(error);
      add(error instanceof HistoryError ? { fault: message } : { difference: message });
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
 * @throws HistoryError where it is none. The SDK would wait for ever.
 */
function read(history: unknown): History {
  try {
    const [first] = (history as { events: { eventId: unknown }[] }).events;
    const whole = typeof first?.eventId === 'string' ? historyFromJSON(history) : (history as History);
    const fault = faultOf(whole.events ?? []);
    if (fault === undefined) return whole;
    throw new HistoryError(fault);
  } catch (error: unknown) {
    if (error instanceof HistoryError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new HistoryError(`the history cannot be read: ${why}`, { cause: error });
  }
}
