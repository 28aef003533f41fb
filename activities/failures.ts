/** What each class of failure means for the next attempt: the one table. Its class is the `type` of the failure in the history. */
import { fitText } from '../api/text';
import { PlatformError, type FailureClass } from '../platforms';
import { type Outranking } from '../contract';

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
  Unanswered: 'Never',
  Permanent: 'Never',
  Superseded: 'Never',
};

/** Class of an attempt that ended with its worker: on record, and not counted against the budget. */
export const WORKER_LOST = 'WorkerLost';

/** Class of the mark that an operator's reset leaves among the attempts: those before it no longer count. */
export const RESET = 'Reset';

/** A failed attempt, sorted. */
export interface Failure {
  class: FailureClass;
  message: string;
  /** Milliseconds; with `Throttled`, where the platform named a time. */
  retryAfter?: number;
  /** With `Superseded`: what outranks the call. */
  recorded?: Outranking;
  /** An error that no platform has classified, cut: its stack says where it comes from. */
  cause?: Error;
}

/** Bytes of a message that reach history, signals and heartbeats. */
const MESSAGE_BYTES = 1_000;
/** Bytes of a stack. */
const STACK_BYTES = 4_000;

/** Sorts whatever was thrown. An unknown error is `Transient`: the budget bounds it. */
export function classify(error: unknown): Failure {
  if (error instanceof PlatformError) {
    const { failureClass, message, retryAfter, recorded } = error;
    return {
      class: failureClass,
      message: fitText(message, MESSAGE_BYTES),
      ...(retryAfter !== undefined && { retryAfter }),
      ...(recorded && { recorded }),
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    class: 'Transient',
    message: fitText(message, MESSAGE_BYTES),
    ...(error instanceof Error && { cause: cut(error) }),
  };
}

function cut({ name, message, stack = '' }: Error): Error {
  const copy = new Error(fitText(message, MESSAGE_BYTES));
  copy.name = name;
  copy.stack = fitText(stack, STACK_BYTES);
  return copy;
}
