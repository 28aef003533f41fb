/** Histories of runs as JSON, and the values in their payloads. */
import { defaultPayloadConverter } from '@temporalio/common';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import type { temporal } from '@temporalio/proto';

/** A history as the server returns it. */
export type History = temporal.api.history.v1.IHistory;

/** The history in the format of Temporal's own tools. */
export function historyAsJson(history: History): { events: unknown[] } {
  return JSON.parse(historyToJSON(history)) as { events: unknown[] };
}

/** The values in payloads, by the default converter. A payload that it cannot read is undefined. */
export function decodePayloads(payloads: temporal.api.common.v1.IPayloads | null | undefined): unknown[] {
  return (payloads?.payloads ?? []).map((payload) => {
    try {
      return defaultPayloadConverter.fromPayload(payload);
    } catch {
      return undefined;
    }
  });
}
