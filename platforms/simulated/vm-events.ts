/**
 * Warnings as Kubernetes Events on VirtualMachines, which is where VM Operator tells the cause of what does not work.
 *
 * V1: an event never holds up or fails what it tells of.
 * V2: the same warning again and again is one Event with a count, written now and then; a few Events are written at a time.
 */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { KubernetesError, RESOURCES, type ApiServer, type KubernetesObject } from '../../kubernetes';
import { keyQueue } from './key-queue';

/** Writes warnings. */
export interface VmEvents {
  warn(object: KubernetesObject, reason: string, message: string): void;
  stop(): Promise<void>;
}

/** Events that are written at the same time. */
const CONCURRENCY = 4;
/** Milliseconds between two writes of one Event. */
const PAUSE = 2_000;
/** Milliseconds after which a repetition is a new Event. */
const FORGET = 600_000;
/** Longest note that the API server takes, characters. */
const LONGEST_NOTE = 1_024;
/** Series that are remembered. */
const MOST_SERIES = 10_000;

interface Series {
  object: KubernetesObject;
  reason: string;
  note: string;
  name: string;
  firstAt: number;
  lastAt: number;
  count: number;
  /** The count that is written; 0: the Event is not there yet. */
  written: number;
  writtenAt: number;
}

/** Starts to write. `onError` is told of an Event that could not be written; it is not tried again before it repeats. */
export function vmEvents(api: ApiServer, onError: (error: unknown) => void): VmEvents {
  const known = new Map<string, Series>();
  const queue = keyQueue(CONCURRENCY, async (id) => {
    const series = known.get(id);
    if (!series || series.count === series.written) return;
    const { count } = series;
    series.writtenAt = Date.now();
    try {
      if (series.written === 0) await create(series);
      if (count > 1) await api.merge(RESOURCES.events, nameOf(series), { series: repetitions(series) });
      series.written = count;
    } catch (error: unknown) {
      // V1
      onError(error);
    }
    if (series.count > count) queue.add(id, next(series));
  });

  async function create(series: Series): Promise<void> {
    try {
      await api.create(RESOURCES.events, eventOf(series));
    } catch (error: unknown) {
      // It is there: the answer to an earlier try was lost.
      if (!(error instanceof KubernetesError && error.isConflict)) throw error;
    }
  }

  function warn(object: KubernetesObject, reason: string, message: string): void {
    const now = Date.now();
    const id = createHash('sha1')
      .update(JSON.stringify([object.metadata.uid, reason, message]))
      .digest('hex')
      .slice(0, 16);
    const series = known.get(id);
    if (series && now - series.lastAt < FORGET) {
      series.count += 1;
      series.lastAt = now;
      return queue.add(id, next(series));
    }
    known.delete(id);
    known.set(id, {
      ...{ object, reason, note: shortened(message), count: 1, written: 0, writtenAt: now },
      ...{
        name: `${object.metadata.name.slice(0, 200)}.${id}.${now.toString(36)}`,
        firstAt: now,
        lastAt: now,
      },
    });
    forgetOldest(known);
    queue.add(id);
  }

  return { warn, stop: () => queue.stop() };
}

/** V2. Milliseconds until the next write. */
function next({ writtenAt }: Series): number {
  return Math.max(writtenAt + PAUSE - Date.now(), 0);
}

function nameOf({ object, name }: Series): { namespace: string; name: string } {
  return { namespace: object.metadata.namespace ?? '', name };
}

function repetitions({ count, lastAt }: Series): object {
  return { count, lastObservedTime: microTime(lastAt) };
}

function eventOf(series: Series): KubernetesObject {
  const { object, reason, note, firstAt } = series;
  const { apiVersion, kind, metadata } = object;
  return {
    metadata: nameOf(series),
    eventTime: microTime(firstAt),
    reportingController: 'vmgroup.dev/simulator',
    reportingInstance: `${hostname().slice(0, 100)}-${process.pid}`,
    action: reason.startsWith('Create') ? 'Create' : 'Update',
    reason,
    type: 'Warning',
    note,
    regarding: {
      apiVersion,
      kind,
      namespace: metadata.namespace,
      name: metadata.name,
      uid: metadata.uid,
    },
  } as KubernetesObject;
}

function shortened(note: string): string {
  return note.length > LONGEST_NOTE ? `${note.slice(0, LONGEST_NOTE - 3)}...` : note;
}

/** RFC 3339 with microseconds, which the API server demands. */
function microTime(time: number): string {
  return new Date(time).toISOString().replace('Z', '000Z');
}

function forgetOldest(known: Map<string, Series>): void {
  if (known.size <= MOST_SERIES) return;
  for (const oldest of known.keys()) return void known.delete(oldest);
}
