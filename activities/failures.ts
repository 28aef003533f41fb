/** What each class of failure means for the next attempt: the one table. Its class is the `type` of the failure in the history. */
import { PlatformError, type FailureClass } from '../platforms';

/** What happens after a failed attempt. */
export type NextStep =
  /** Again after a pause that doubles each time, as long as the retry budget lasts. */
  | 'BackOff'
  /** Again after the time that the platform named, as long as the budget lasts. */
  | 'RetryAfter'
  /** As `BackOff`, under a new operation id: the old one was accepted and came to nothing. */
  | 'AskAnew'
  /** No further attempt: the member is parked, or a newer operation has taken over. */
  | 'Never';

/** Next step by class; see {@link FailureClass} for what the classes mean. */
export const NEXT_STEP: Readonly<Record<FailureClass, NextStep>> = {
  Transient: 'BackOff',
  NoCapacity: 'BackOff',
  Throttled: 'RetryAfter',
  OperationTimeout: 'AskAnew',
  GateTimeout: 'Never',
  Permanent: 'Never',
  Superseded: 'Never',
};

/** Class of an attempt that ended with its worker: on record, and not counted against the budget. */
export const WORKER_LOST = 'WorkerLost';

/** Class of the mark that an operator's reset leaves among the attempts: those before it count no more. */
export const RESET = 'Reset';

/** A failed attempt, sorted. */
export interface Failure {
  class: FailureClass;
  message: string;
  /** Milliseconds; with `Throttled`, where the platform named a time. */
  retryAfter?: number;
  cause: unknown;
}

/** Sorts whatever was thrown. What nobody foresaw is `Transient`: the budget bounds it. */
export function classify(error: unknown): Failure {
  if (error instanceof PlatformError) {
    const { failureClass, message, retryAfter } = error;
    return { class: failureClass, message, cause: error, ...(retryAfter !== undefined && { retryAfter }) };
  }
  return {
    class: 'Transient',
    message: error instanceof Error ? error.message : String(error),
    cause: error,
  };
}
