/**
 * The record on a VM of the host that it was promised, and of the last release. Pure.
 *
 * PLATFORM-4: see `lateness` and `isReleasedBy`. A place that a power-on was asked for is firm; a power-off frees it, so that the next run may
 *     choose another host.
 */
import { isSequence } from '../../contract';
import type { PlaceOptions, ReleaseOptions } from '../platform';

/** What is on record. */
export interface PlaceRecord {
  /** Absent: released, or free. */
  host?: string;
  /** Who asked for it; absent: it is firm. */
  caller?: string;
  sequence?: number;
  /** Not given to the caller yet: its process still compares it with what others have written meanwhile. */
  tentative?: true;
  /** The last release. */
  released?: { caller: string; sequence: number };
  /** The hosts on which the VM was defined then, on a platform that asks. */
  hosts: readonly string[];
  /** What identifies the operation that was on record then, on a platform that asks; absent: none was. */
  after?: string;
  /** When it was written, milliseconds since the epoch, and later than the record before it: the greater one is the newer one. */
  at: number;
}

/** When a record is written that follows another: later than that one, also where another process with a clock that is ahead wrote it. */
export function nextAt(previous: PlaceRecord | undefined, now: number): number {
  return Math.max(now, (previous?.at ?? 0) + 1);
}

/** Characters of a record. */
const MAX_PLACE = 4_000;
/** Hosts of one VM. */
const MAX_HOSTS = 64;

/** Reads a record of the VM with this UUID; undefined if there is none. */
export function readPlace(text: string | undefined, uuid: string): PlaceRecord | undefined {
  if (text === undefined || text.length > MAX_PLACE) return undefined;
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof written !== 'object' || written === null) return undefined;
  const { vm, host, by, seq, tentative, released, on, after, at } = written as Record<string, unknown>;
  if (vm !== uuid) return undefined;
  const claim = typeof by === 'string' ? { caller: by, ...(isSequence(seq) && { sequence: seq }) } : {};
  const release = readRelease(released);
  return {
    ...(typeof host === 'string' && { host, ...claim, ...(tentative === true && { tentative }) }),
    ...(release && { released: release }),
    ...(typeof after === 'string' && { after }),
    hosts: Array.isArray(on) ? on.filter((each) => typeof each === 'string').slice(0, MAX_HOSTS) : [],
    at: typeof at === 'number' && Number.isFinite(at) ? at : 0,
  };
}

function readRelease(written: unknown): PlaceRecord['released'] {
  if (typeof written !== 'object' || written === null) return undefined;
  const { by, seq } = written as Record<string, unknown>;
  return typeof by === 'string' && isSequence(seq) ? { caller: by, sequence: seq } : undefined;
}

/** The text of a record. @throws RangeError where it is too long. */
export function writePlace(
  { host, caller, sequence, tentative, released, hosts, after, at }: PlaceRecord,
  uuid: string,
): string {
  const text = JSON.stringify({
    vm: uuid,
    host,
    by: caller,
    seq: sequence,
    tentative,
    after,
    at,
    ...(hosts.length > 0 && { on: hosts }),
    ...(released && { released: { by: released.caller, seq: released.sequence } }),
  });
  if (text.length > MAX_PLACE) throw new RangeError(`a record of ${text.length} characters is too long`);
  return text;
}

/** Whether a call for a place came after the caller's own release of it. */
export function isLate(record: PlaceRecord | undefined, { caller, sequence }: PlaceOptions): boolean {
  const { released } = record ?? {};
  return (
    released !== undefined &&
    released.caller === caller &&
    sequence !== undefined &&
    sequence < released.sequence
  );
}

/** Whether a release takes the place back: it was only promised, to this caller, by an earlier call. */
export function isReleasedBy(record: PlaceRecord, { caller, sequence }: ReleaseOptions): boolean {
  return record.caller === caller && (record.sequence ?? 0) < sequence;
}
