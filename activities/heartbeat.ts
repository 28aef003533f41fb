/**
 * What one attempt hands to the next in its heartbeat. Every client of the Temporal server can record a heartbeat, so it is parsed.
 *
 * ATTEMPT-5: a heartbeat that cannot be read counts as none.
 */
import * as v from 'valibot';
import type { Attempt, HeartbeatDetails } from '../contract';

/** Heartbeat details. */
export interface Memory<P> extends HeartbeatDetails {
  /** Temporal's number of the attempt that wrote this. */
  attempt: number;
  /** How that attempt ended; absent: it had not. */
  ended?: 'Failed' | 'Cancelled' | 'Reset';
  failures: Attempt[];
  /** Failures that count against the budget. */
  spent: number;
  progress: P;
}

/** The last failed attempts are kept, this many: a wait for room may go on for days. */
export const KEPT = 50;

/** Milliseconds since the epoch, or of a wait. */
export const milliseconds = v.pipe(v.number(), v.minValue(0), v.maxValue(8.64e15));

/** Progress of activities that hand none over. */
export const noProgress = v.object({});

const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(Number.MAX_SAFE_INTEGER));

const attempt = v.object({
  attempt: count,
  at: milliseconds,
  class: v.pipe(v.string(), v.maxLength(1_000)),
  message: v.pipe(v.string(), v.maxLength(100_000)),
  retryAt: v.exactOptional(milliseconds),
});

/** Heartbeat details of the attempt before; undefined if there are none, or none of ours. */
export function readMemory<P>(
  details: unknown,
  progress: v.GenericSchema<unknown, P>,
): Memory<P> | undefined {
  const memory = v.object({
    attempt: count,
    ended: v.exactOptional(v.picklist(['Failed', 'Cancelled', 'Reset'])),
    failures: v.pipe(v.array(attempt), v.maxLength(KEPT)),
    spent: count,
    progress,
  });
  const read = v.safeParse(memory, details);
  return read.success ? read.output : undefined;
}
