/** Reads a history in the JSON form of Temporal's own tools. A history may come from a file, so nothing of it is trusted. Pure. */

import { fieldsOf } from '../../api';

/** Fields of unknown types. */
export type Fields = Readonly<Record<string, unknown>>;

/** One event of a history. */
export interface HistoryEvent {
  id: number;
  /** ISO 8601, UTC, milliseconds. */
  time: string;
  /** Without its prefix: `ACTIVITY_TASK_SCHEDULED`. */
  type: string;
  attributes: Fields;
  /** What the timeline calls it. */
  summary?: string;
}

/** A history that cannot be read. */
export class HistoryError extends Error {
  override readonly name = 'HistoryError';
}

/** Events that one history may have: Temporal ends a run at 51,200. */
const MOST_EVENTS = 200_000;

/**
 * The events of a history, in its order.
 *
 * @throws HistoryError if it is not a history, or its events are not numbered from 1 without a gap.
 */
export function readHistory(history: unknown): HistoryEvent[] {
  const { events } = fieldsOf(history);
  if (!Array.isArray(events) || events.length === 0) throw new HistoryError('it has no list of events');
  if (events.length > MOST_EVENTS) throw new HistoryError(`it has more than ${MOST_EVENTS} events`);
  return events.map((event: unknown, index) => readEvent(event, index + 1));
}

function readEvent(raw: unknown, expected: number): HistoryEvent {
  const event = fieldsOf(raw);
  const id = Number(event['eventId']);
  if (id !== expected) throw new HistoryError(`event ${expected} is missing or out of order`);
  const time = Date.parse(textOf(event['eventTime']));
  if (Number.isNaN(time)) throw new HistoryError(`event ${id} has no time`);
  const [, attributes] = Object.entries(event).find(([name]) => name.endsWith('EventAttributes')) ?? [];
  const [summary] = payloadValues({ payloads: [fieldsOf(event['userMetadata'])['summary']] });
  return {
    id,
    time: new Date(time).toISOString(),
    type: enumName(event['eventType'], 'EVENT_TYPE_'),
    attributes: fieldsOf(attributes),
    ...(typeof summary === 'string' && { summary }),
  };
}

/** A value as text; empty if it is none. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** A value of an enum as Temporal's protocol names it, without its prefix; tools also write `WorkflowTaskFailed`. */
export function enumName(value: unknown, prefix: string): string {
  const text = textOf(value);
  if (text.startsWith(prefix)) return text.slice(prefix.length);
  return text.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();
}

/** A duration such as `1.5s`, in milliseconds; 0 if it is none. */
export function milliseconds(value: unknown): number {
  const seconds = /^(-?\d{1,15}(?:\.\d{1,9})?)s$/.exec(textOf(value))?.[1];
  return seconds === undefined ? 0 : Math.round(Number(seconds) * 1000);
}

/** The values in payloads. One that is not plain JSON is undefined. */
export function payloadValues(payloads: unknown): unknown[] {
  const list = fieldsOf(payloads)['payloads'];
  return Array.isArray(list) ? list.map(payloadValue) : [];
}

function payloadValue(raw: unknown): unknown {
  const { metadata, data } = fieldsOf(raw);
  const encoding = Buffer.from(textOf(fieldsOf(metadata)['encoding']), 'base64').toString();
  if (encoding !== 'json/plain') return undefined;
  try {
    return JSON.parse(Buffer.from(textOf(data), 'base64').toString()) as unknown;
  } catch {
    return undefined;
  }
}
