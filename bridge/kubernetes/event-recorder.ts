/**
 * Tells of transitions as Kubernetes Events on the objects concerned.
 *
 * V1: an event never holds up or fails what it tells of.
 * V2: what repeats is counted in one Event, and no object gets more than a few new ones a minute, so that a storm costs little. The log has
 *     every one.
 */
import { createHash } from 'node:crypto';
import { RESOURCES, type ApiServer, type KubernetesObject } from '../../kubernetes';
import type { BridgeEvent, EventReason } from '../events';
import { objectKey } from '../manifest-index';
import type { ClusterObjects } from './objects';

/** What {@link eventRecorder} needs. */
export interface EventRecorderOptions {
  api: ApiServer;
  objects: ClusterObjects;
  isLeader: () => boolean;
  /** Name of this process. */
  instance: string;
  onError?: (error: unknown) => void;
}

/** Writes events. */
export interface EventRecorder {
  record(event: BridgeEvent): void;
  /** Writes what waits. */
  stop(): Promise<void>;
}

/** Told of in the log alone: one for each VM of a large group, and what is about no object. */
const LOG_ONLY: ReadonlySet<EventReason> = new Set([
  'MemberStarted',
  'MemberDone',
  'TemporalReachable',
  'TemporalUnreachable',
  'RequestRefused',
  'SourceWarning',
]);
/** Milliseconds in which repetitions are gathered. */
const GATHER = 5_000;
/** Milliseconds after which a repetition is a new Event. */
const FORGET = 600_000;
/** New events of one object: so many at once, and one more each so many milliseconds. */
const BURST = 25;
const REFILL = 2_000;
/** Longest note that the API server takes, characters. */
const LONGEST_NOTE = 1_024;
/** Objects that are remembered. */
const MOST_OBJECTS = 10_000;

interface Series {
  name: string;
  namespace: string;
  count: number;
  lastAt: number;
  note: string;
  timer?: NodeJS.Timeout;
}

/** Makes a recorder. */
export function eventRecorder(options: EventRecorderOptions): EventRecorder {
  const { api, objects, isLeader, instance, onError = () => undefined } = options;
  const known = new Map<string, Series>();
  const buckets = new Map<string, { tokens: number; at: number }>();
  const open = new Set<Promise<void>>();

  function record(event: BridgeEvent): void {
    if (!isLeader() || LOG_ONLY.has(event.reason)) return;
    const object = objectOf(event);
    if (!object) return;
    const id = createHash('sha1')
      .update(JSON.stringify([object.metadata.uid, event.reason, event.type, subjectOf(event)]))
      .digest('hex')
      .slice(0, 16);
    const series = known.get(id);
    if (series && event.time - series.lastAt < FORGET) return repeat(series, event);
    if (!hasToken(object.metadata.uid ?? '', event.time)) return;
    const name = `${event.object.name.slice(0, 200)}.${id}.${event.time.toString(36)}`;
    const { namespace } = event.object;
    remember(known, id, { name, namespace, count: 1, lastAt: event.time, note: event.message });
    track(api.create(RESOURCES.events, eventObject(event, object, name)));
  }

  /** V2. */
  function repeat(series: Series, event: BridgeEvent): void {
    series.count += 1;
    series.lastAt = event.time;
    series.note = event.message;
    series.timer ??= setTimeout(() => update(series), GATHER);
  }

  function update(series: Series): void {
    clearTimeout(series.timer);
    delete series.timer;
    const { namespace, name, count, lastAt, note } = series;
    const patch = { note: shortened(note), series: { count, lastObservedTime: microTime(lastAt) } };
    track(api.merge(RESOURCES.events, { namespace, name }, patch));
  }

  function hasToken(uid: string, now: number): boolean {
    const bucket = buckets.get(uid) ?? { tokens: BURST, at: now };
    const tokens = Math.min(BURST, bucket.tokens + (now - bucket.at) / REFILL);
    remember(buckets, uid, { tokens: Math.max(tokens - 1, 0), at: now });
    return tokens >= 1;
  }

  /** V1. */
  function track(write: Promise<unknown>): void {
    const done = write.then(
      () => undefined,
      (error: unknown) => onError(error),
    );
    open.add(done);
    void done.finally(() => open.delete(done));
  }

  function objectOf({ object }: BridgeEvent): KubernetesObject | undefined {
    if (object.kind === 'VirtualMachineGroup') return objects.groups.get(objectKey(object));
    if (object.kind === 'VirtualMachine') return objects.machines.get(objectKey(object));
    return object.kind === 'SequencePolicy' ? objects.policies.get(objectKey(object)) : undefined;
  }

  function eventObject(event: BridgeEvent, object: KubernetesObject, name: string): KubernetesObject {
    const { namespace } = event.object;
    return {
      metadata: { namespace, name },
      eventTime: microTime(event.time),
      reportingController: 'vmgroup.dev/bridge',
      reportingInstance: instance,
      action: event.reason,
      reason: event.reason,
      type: event.type,
      note: shortened(event.message),
      regarding: {
        apiVersion: object.apiVersion,
        kind: event.object.kind,
        namespace,
        name: event.object.name,
        uid: object.metadata.uid,
      },
    } as KubernetesObject;
  }

  return {
    record,
    stop: async () => {
      for (const series of known.values()) if (series.timer) update(series);
      await Promise.all(open);
    },
  };
}

/** What an event is about within its object: the member at the beginning of its message. Attempts of one member are a series. */
function subjectOf({ reason, message }: BridgeEvent): string {
  return reason.startsWith('Member') || reason === 'AttemptFailed'
    ? (message.split(/[: ]/)[0] ?? '')
    : message;
}

function shortened(note: string): string {
  return note.length > LONGEST_NOTE ? `${note.slice(0, LONGEST_NOTE - 3)}...` : note;
}

function microTime(time: number): string {
  return new Date(time).toISOString().replace('Z', '000Z');
}

/** Keeps an entry as the newest, and forgets the oldest where there are too many. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  if (map.size <= MOST_OBJECTS) return;
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
