/**
 * Writes Kubernetes Events about objects.
 *
 * V1: an event never holds up or fails what it tells of.
 * V2: what repeats is counted in one Event, written now and then, and no object gets more than a few new ones a minute, so that a storm costs
 *     little. A few are written at a time.
 */
import { createHash } from 'node:crypto';
import type { ApiServer, KubernetesObject } from './api-server';
import { KubernetesError } from './error';
import { RESOURCES } from './resources';
import { WorkQueue } from './work-queue';

/** What {@link eventWriter} needs. */
export interface EventWriterOptions {
  api: ApiServer;
  /** Who tells, as `reportingController`. */
  controller: string;
  /** Name of this process. */
  instance: string;
  /** Milliseconds between two writes of one Event. */
  pause: number;
  /** Told of an Event that could not be written; it is not tried again before it repeats. */
  onError: (error: unknown) => void;
}

/** One thing that happened to an object. */
export interface ObjectEvent {
  type: 'Normal' | 'Warning';
  reason: string;
  action: string;
  note: string;
  /** What tells it from others of the same reason: two with the same subject are a repetition. */
  subject: string;
  /** Milliseconds since the epoch. */
  at: number;
}

/** Writes Events. */
export interface EventWriter {
  write(object: KubernetesObject, event: ObjectEvent): void;
  /** Writes what waits. */
  stop(): Promise<void>;
}

/** Events that are written at the same time. */
const CONCURRENCY = 4;
/** Milliseconds after which a repetition is a new Event. */
const FORGET = 600_000;
/** New events of one object: so many at once, and one more each so many milliseconds. */
const BURST = 25;
const REFILL = 2_000;
/** Longest note that the API server takes, and longest name of an instance, bytes. */
const LONGEST_NOTE = 1_024;
const LONGEST_INSTANCE = 128;
/** Characters of the object's name in the name of its Event, which may have 253 in all. */
const LONGEST_NAME = 200;
/** Objects, and series of events, that are remembered. */
const MOST = 10_000;

/** One Event with its repetitions. */
interface Series {
  object: KubernetesObject;
  name: string;
  first: ObjectEvent;
  lastAt: number;
  count: number;
  /** The count of the last try to write it, and when that was. */
  tried: number;
  triedAt: number;
  /** The Event is there. */
  isThere: boolean;
}

/** Makes a writer. */
export function eventWriter({ api, controller, instance, pause, onError }: EventWriterOptions): EventWriter {
  const known = new Map<string, Series>();
  const buckets = new Map<string, { tokens: number; at: number }>();
  const queue = new WorkQueue({
    concurrency: CONCURRENCY,
    work: async (id) => {
      const series = known.get(id);
      if (!series) return;
      await bring(series);
      if (series.count > series.tried) queue.add(id, untilNext(series));
    },
    onError: (_id, error) => onError(error),
  });

  function write(object: KubernetesObject, event: ObjectEvent): void {
    const { uid = '', name } = object.metadata;
    const id = createHash('sha1')
      .update(JSON.stringify([uid, event.reason, event.type, event.subject]))
      .digest('hex')
      .slice(0, 16);
    const series = known.get(id);
    if (series && event.at - series.lastAt < FORGET) {
      series.count += 1;
      series.lastAt = event.at;
      return queue.add(id, untilNext(series));
    }
    if (!hasToken(uid, event.at)) return;
    remember(known, id, {
      ...{ object, first: event, lastAt: event.at, count: 1, tried: 0, triedAt: 0, isThere: false },
      // No part of a name may end with a hyphen.
      name: `${name.slice(0, LONGEST_NAME).replace(/[-.]+$/, '')}.${id}.${event.at.toString(36)}`,
    });
    queue.add(id);
  }

  /** V2. */
  function hasToken(uid: string, now: number): boolean {
    const bucket = buckets.get(uid) ?? { tokens: BURST, at: now };
    const tokens = Math.min(BURST, bucket.tokens + (now - bucket.at) / REFILL);
    remember(buckets, uid, { tokens: Math.max(tokens - 1, 0), at: now });
    return tokens >= 1;
  }

  /** V2. Milliseconds until the next write. */
  function untilNext({ triedAt }: Series): number {
    return Math.max(triedAt + pause - Date.now(), 0);
  }

  /** Writes an Event as it is now. V1. */
  async function bring(series: Series): Promise<void> {
    const { count, lastAt } = series;
    if (count === series.tried) return;
    series.tried = count;
    series.triedAt = Date.now();
    try {
      if (!series.isThere) await create(series);
      series.isThere = true;
      if (count > 1) {
        // The API server lets nothing else of an Event be changed: its note is that of the first one.
        const repetitions = { count, lastObservedTime: microTime(lastAt) };
        await api.merge(RESOURCES.events, keyOf(series), { series: repetitions });
      }
    } catch (error: unknown) {
      onError(error);
    }
  }

  async function create(series: Series): Promise<void> {
    try {
      await api.create(RESOURCES.events, eventOf(series));
    } catch (error: unknown) {
      // It is there: the answer to an earlier try was lost.
      if (!(error instanceof KubernetesError && error.isConflict)) throw error;
    }
  }

  function eventOf(series: Series): KubernetesObject {
    const { object, first } = series;
    const { apiVersion, kind, metadata } = object;
    return {
      metadata: keyOf(series),
      eventTime: microTime(first.at),
      reportingController: controller,
      reportingInstance: shortened(instance, LONGEST_INSTANCE),
      action: first.action,
      reason: first.reason,
      type: first.type,
      note: shortened(first.note, LONGEST_NOTE),
      regarding: { apiVersion, kind, namespace: metadata.namespace, name: metadata.name, uid: metadata.uid },
    } as KubernetesObject;
  }

  return {
    write,
    stop: async () => {
      await queue.stop();
      await Promise.all([...known.values()].map(bring));
    },
  };
}

function keyOf({ object, name }: Series): { namespace: string; name: string } {
  return { namespace: object.metadata.namespace ?? '', name };
}

/** A text of at most `bytes` bytes in UTF-8, cut between characters. */
function shortened(text: string, bytes: number): string {
  const encoded = Buffer.from(text);
  if (encoded.length <= bytes) return text;
  // With `stream` the decoder keeps a character that was cut to itself.
  return `${new TextDecoder().decode(encoded.subarray(0, bytes - 3), { stream: true })}...`;
}

/** RFC 3339 with microseconds, which the API server demands. */
function microTime(time: number): string {
  return new Date(time).toISOString().replace('Z', '000Z');
}

/** Keeps an entry as the newest, and forgets the oldest where there are too many. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= MOST) return;
  for (const oldest of map.keys()) return void map.delete(oldest);
}
