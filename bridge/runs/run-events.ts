/** Reads pages of a run's history. Pure. */
import type { temporal } from '@temporalio/proto';
import { fitText } from '../../api';
import type { RunEnding } from './run-state';
import type { RunEvents } from './temporal-runs';

/** A page of a history. */
export type History = temporal.api.workflowservice.v1.IGetWorkflowExecutionHistoryResponse;

/** What a page of a history reports. */
export function runEvents({ history, nextPageToken }: History): RunEvents {
  const found: RunEvents = { count: history?.events?.length ?? 0, changed: false, troubled: false };
  for (const event of history?.events ?? []) {
    if (event.workflowTaskCompletedEventAttributes) {
      found.changed = true;
      found.troubled = false;
    }
    if (event.workflowTaskFailedEventAttributes ?? event.workflowTaskTimedOutEventAttributes)
      found.troubled = true;
    const closed = closedBy(event);
    if (closed) found.closed = closed;
  }
  if (nextPageToken && nextPageToken.length > 0) found.next = nextPageToken;
  return found;
}

function closedBy(event: temporal.api.history.v1.IHistoryEvent): RunEvents['closed'] {
  const continued = event.workflowExecutionContinuedAsNewEventAttributes;
  if (continued) return { ...(continued.newExecutionRunId && { continuedAs: continued.newExecutionRunId }) };
  const closed =
    event.workflowExecutionCompletedEventAttributes ??
    event.workflowExecutionFailedEventAttributes ??
    event.workflowExecutionCanceledEventAttributes ??
    event.workflowExecutionTerminatedEventAttributes ??
    event.workflowExecutionTimedOutEventAttributes;
  return closed ? {} : undefined;
}

/** Bytes of the identity and the reason of an end. */
const IDENTITY_BYTES = 256;
const REASON_BYTES = 1_000;

/** How an execution ended, from the last event of its history; undefined: that does not say. */
export function runEnding({ history }: History): RunEnding | undefined {
  const last = history?.events?.at(-1);
  const { identity, reason } = last?.workflowExecutionTerminatedEventAttributes ?? {};
  const { message } = last?.workflowExecutionFailedEventAttributes?.failure ?? {};
  const why = reason || message;
  if (!identity && !why) return undefined;
  return {
    ...(identity && { by: fitText(identity, IDENTITY_BYTES) }),
    ...(why && { reason: fitText(why, REASON_BYTES) }),
  };
}
