/** What the files of the recorder share. */
import { deriveEvents, HistoryError, type Derived, type ExecutionName } from '../derive';
import type { RecorderFact, RunEvent, RunRef } from '../events';
import type { RecordStore } from '../store';
import type { TemporalHistories } from './temporal-histories';

/** Where the recorder logs. */
export interface RecorderLogger {
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
}

/** What the recorder works with. */
export interface RecorderContext {
  store: RecordStore;
  temporal: TemporalHistories;
  logger: RecorderLogger;
  /** Milliseconds since the epoch. */
  now: () => number;
}

/** Derives the events of an execution; undefined, after a line in the log, if its history cannot be read. */
export function tryDeriveEvents(
  { logger }: RecorderContext,
  json: string,
  execution: ExecutionName,
): Derived | undefined {
  try {
    return deriveEvents(JSON.parse(json), execution);
  } catch (error: unknown) {
    if (!(error instanceof HistoryError)) throw error;
    logger.warn({ ...execution, err: error }, 'failed to read a history');
    return undefined;
  }
}

/** An event that the recorder itself contributes now. */
export function recorderEvent(
  { now }: RecorderContext,
  run: RunRef,
  { runId }: ExecutionName,
  fact: RecorderFact,
): RunEvent {
  return {
    ...fact,
    run,
    execution: runId,
    time: new Date(now()).toISOString(),
    source: { from: 'Recorder' },
  };
}
