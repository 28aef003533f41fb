/**
 * Writes Kubernetes Events about objects.
 *
 * EVENT-1: an Event never delays or fails the work that it reports.
 * EVENT-2: repetitions are counted in one Event, which is updated from time to time, and no object gets more than a few new Events a minute,
 *     so that a storm costs little. A few are written at a time, also at the end, where what cannot be written within a few seconds is left
 *     out.
 * EVENT-3: of each object only what names it is kept, however many Events are remembered.
 */
import { createHash } from 'node:crypto';
import pMap from 'p-map';
import type { ApiServer } from './api-server';
import type { KubernetesObject } from './object';
import { KubernetesError } from './error';
import { RESOURCES } from './resources';
import { WorkQueue } from './work-queue';

/** What {@link EventWriter} needs. */
export interface EventWriterOptions {
  api: ApiServer;
  /** `reportingController` of the Events. */
  controller: string;
  /** Name of this process. */
  instance: string;
  /** Milliseconds between two writes of one Event. */
  pause: number;
  /** Called when an Event could not be written. It is not retried before it repeats. */
  onError: (error: unknown) => void;
}

/** One thing that happened to an object. */
export interface ObjectEvent {
  type: 'Normal' | 'Warning';
  reason: string;
  action: string;
  note: string;
  /** Tells it from others of the same reason: two with the same subject are a repetition. */
  subject: string;
  /** Milliseconds since the epoch. */
  at: number;
}

/** Events that are written at the same time. */
const CONCURRENCY = 4;
/** Milliseconds in which the last writes may begin. */
const PARTING = 2_000;
/** Milliseconds after which a repetition is a new Event. */
const FORGET = 600_000;
/** New Events of one object: so many at once, and one more every so many milliseconds. */
const BURST = 25;
const REFILL = 2_000;
/** Longest note that the API server accepts, and longest name of an instance, bytes. */
const LONGEST_NOTE = 1_024;
const LONGEST_INSTANCE = 128;
/** Characters of the object's name in the name of its Event, which may have 253 in all. */
const LONGEST_NAME = 200;
/** Most objects, and most series, that are remembered. */
const MOST = 10_000;

/** What names an object. */
type Identity = Pick<KubernetesObject, 'apiVersion' | 'kind'> & {
  metadata: Pick<KubernetesObject['metadata'], 'namespace' | 'name' | 'uid'>;
};

/** One Event with its repetitions. */
interface Series {
  /** EVENT-3. */
  object: Identity;
  name: string;
  first: ObjectEvent;
  lastAt: number;
  count: number;
  /** The count of the last try to write it, and when that was. */
  tried: number;
  triedAt: number;
  /** The Event was created. */
  created: boolean;
}

/** Writes Events. */
export class EventWriter {
  readonly #options: EventWriterOptions;
  readonly #queue: WorkQueue;
  readonly #series = new Map<string, Series>();
  /** EVENT-2: how many new Events an object may have, by its uid. */
  readonly #tokens = new Map<string, { tokens: number; at: number }>();

  constructor(options: EventWriterOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      concurrency: CONCURRENCY,
      work: (id) => this.#work(id),
      onError: (_id, error) => options.onError(error),
    });
  }

  /** Writes an Event soon, or counts a repetition. */
  write(object: KubernetesObject, event: ObjectEvent): void {
    const { uid = '', name } = object.metadata;
    const id = createHash('sha1')
      .update(JSON.stringify([uid, event.reason, event.type, event.subject]))
      .digest('hex')
      .slice(0, 16);
    const series = this.#series.get(id);
    if (series && event.at - series.lastAt < FORGET) {
      series.count += 1;
      series.lastAt = event.at;
      return this.#queue.add(id, this.#untilNext(series));
    }
    if (!this.#takeToken(uid, event.at)) return;
    remember(this.#series, id, {
      object: identityOf(object),
      first: event,
      lastAt: event.at,
      count: 1,
      tried: 0,
      triedAt: 0,
      created: false,
      // No part of a name may end with a hyphen.
      name: `${name.slice(0, LONGEST_NAME).replace(/[-.]+$/, '')}.${id}.${event.at.toString(36)}`,
    });
    this.#queue.add(id);
  }

  /** Writes what is not written yet, and no more from now on. */
  async stop(): Promise<void> {
    await this.#queue.stop();
    const until = performance.now() + PARTING;
    const write = async (series: Series): Promise<void> => {
      if (performance.now() < until) await this.#bringUpToDate(series);
    };
    await pMap([...this.#series.values()], write, { concurrency: CONCURRENCY });
  }

  /** EVENT-2. */
  #takeToken(uid: string, now: number): boolean {
    const bucket = this.#tokens.get(uid) ?? { tokens: BURST, at: now };
    const tokens = Math.min(BURST, bucket.tokens + (now - bucket.at) / REFILL);
    remember(this.#tokens, uid, { tokens: Math.max(tokens - 1, 0), at: now });
    return tokens >= 1;
  }

  /** EVENT-2: milliseconds until the next write. */
  #untilNext({ triedAt }: Series): number {
    return Math.max(triedAt + this.#options.pause - Date.now(), 0);
  }

  async #work(id: string): Promise<void> {
    const series = this.#series.get(id);
    if (!series) return;
    await this.#bringUpToDate(series);
    if (series.count > series.tried) this.#queue.add(id, this.#untilNext(series));
  }

  /** EVENT-1: does not reject. */
  async #bringUpToDate(series: Series): Promise<void> {
    const { count, lastAt } = series;
    if (count === series.tried) return;
    series.tried = count;
    series.triedAt = Date.now();
    try {
      if (!series.created) await this.#create(series);
      series.created = true;
      if (count > 1) {
        // The API server allows no other change of an Event: its note is that of the first one.
        const repetitions = { count, lastObservedTime: microTime(lastAt) };
        await this.#options.api.merge(RESOURCES.events, keyOf(series), { series: repetitions });
      }
    } catch (error: unknown) {
      this.#options.onError(error);
    }
  }

  async #create(series: Series): Promise<void> {
    try {
      await this.#options.api.create(RESOURCES.events, eventOf(series, this.#options));
    } catch (error: unknown) {
      // It exists: the answer to an earlier try was lost.
      if (!(error instanceof KubernetesError && error.isConflict)) throw error;
    }
  }
}

function eventOf(
  series: Series,
  { controller, instance }: Pick<EventWriterOptions, 'controller' | 'instance'>,
): KubernetesObject {
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

/** EVENT-3. */
function identityOf({ apiVersion, kind, metadata: { namespace, name, uid } }: KubernetesObject): Identity {
  return {
    ...(apiVersion !== undefined && { apiVersion }),
    ...(kind !== undefined && { kind }),
    metadata: { name, ...(namespace !== undefined && { namespace }), ...(uid !== undefined && { uid }) },
  };
}

function keyOf({ object, name }: Series): { namespace: string; name: string } {
  return { namespace: object.metadata.namespace ?? '', name };
}

/** A text of at most `bytes` bytes in UTF-8, cut between characters. */
function shortened(text: string, bytes: number): string {
  const encoded = Buffer.from(text);
  if (encoded.length <= bytes) return text;
  // With `stream` the decoder leaves out a character that was cut.
  return `${new TextDecoder().decode(encoded.subarray(0, bytes - 3), { stream: true })}...`;
}

/** RFC 3339 with microseconds, as the API server requires. */
function microTime(time: number): string {
  return new Date(time).toISOString().replace('Z', '000Z');
}

/** Keeps a value as the newest, and forgets the oldest if there are too many. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= MOST) return;
  for (const oldest of map.keys()) return void map.delete(oldest);
}
