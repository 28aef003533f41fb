/**
 * Our record on a VM: the last power operation that was accepted for it. Pure.
 *
 * TRACKED-4: a record that is not one of ours, or belongs to another VM (clones copy it), does not count.
 */
import { createHash } from 'node:crypto';
import type { PowerState } from '../../api';
import { isSequence } from '../../contract';

/** The last accepted operation. */
export interface OperationRecord {
  id: string;
  sequence: number;
  /** The state that the VM is brought to. */
  to: PowerState;
  caller: string;
  /** When it was asked for, milliseconds since the epoch by the clock of the process that wrote it. */
  at: number;
  /** Milliseconds that the guest has to shut down; 0: it is not asked. */
  guest: number;
  /** Ids of other operations of the same sequence, which have been given up. */
  earlier: readonly string[];
}

/** Characters of a record: a custom attribute of vCenter has no more. */
export const MAX_RECORD = 1_000;
/** Ids of one sequence that are kept: more than any retry budget gives up while one of them is still on its way. */
const KEPT_IDS = 16;
const STATES: readonly string[] = ['PoweredOn', 'PoweredOff', 'Suspended'] satisfies PowerState[];

/** Reads a record of the VM with this UUID; undefined if there is none. */
export function readRecord(text: string | undefined, uuid: string): OperationRecord | undefined {
  if (text === undefined || text === '' || text.length > MAX_RECORD) return undefined;
  let written: unknown;
  try {
    written = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof written !== 'object' || written === null) return undefined;
  const { vm, id, seq, to, by, at, guest, was } = written as Record<string, unknown>;
  if (vm !== uuid || typeof id !== 'string' || !isSequence(seq)) return undefined;
  if (typeof to !== 'string' || !STATES.includes(to)) return undefined;
  const asked = typeof at === 'string' ? Date.parse(at) : NaN;
  return {
    id,
    sequence: seq,
    to: to as PowerState,
    caller: typeof by === 'string' ? by : '',
    at: Number.isNaN(asked) ? 0 : asked,
    guest: typeof guest === 'number' && guest >= 0 ? guest : 0,
    earlier: Array.isArray(was) ? was.filter((each) => typeof each === 'string').slice(-KEPT_IDS) : [],
  };
}

/** The text of a record. @throws RangeError where the id and the caller are too long to be kept. */
export function writeRecord(record: OperationRecord, uuid: string): string {
  const { id, sequence: seq, to, caller: by, at, guest } = record;
  const base = { vm: uuid, id, seq, to, by, at: new Date(at).toISOString(), ...(guest > 0 && { guest }) };
  // The oldest ids go first when there is no room.
  for (let kept = record.earlier; ; kept = kept.slice(1)) {
    const text = JSON.stringify({ ...base, ...(kept.length > 0 && { was: kept }) });
    if (text.length <= MAX_RECORD) return text;
    if (kept.length === 0)
      throw new RangeError(`a record of ${text.length} characters; a server keeps ${MAX_RECORD}`);
  }
}

/** What follows a record when its operation is replaced by another of the same or a greater sequence. */
export function earlierIds(record: OperationRecord | undefined, sequence: number): readonly string[] {
  if (record?.sequence !== sequence) return [];
  return [...record.earlier, shortId(record.id)].slice(-KEPT_IDS);
}

/** Whether a record names an operation id, as its own or as an earlier one. */
export function names(record: OperationRecord | undefined, id: string): boolean {
  return record !== undefined && (record.id === id || record.earlier.includes(shortId(id)));
}

/** Whether a record has taken the place of another. The clocks of two processes decide only where neither record names the other. */
export function outranks(record: OperationRecord, other: OperationRecord): boolean {
  if (record.sequence !== other.sequence) return record.sequence > other.sequence;
  if (record.id === other.id) return false;
  if (names(record, other.id)) return true;
  return !names(other, record.id) && record.at > other.at;
}

/** Whether a record on a VM belongs to our operation (no matter which process wrote it), to a newer one, or to none that counts. */
export function compareRecords(
  shown: OperationRecord | undefined,
  own: OperationRecord,
): 'Own' | 'Newer' | 'Older' {
  if (shown?.id === own.id) return 'Own';
  return shown && outranks(shown, own) ? 'Newer' : 'Older';
}

/** An id that is only compared. */
export function shortId(id: string): string {
  return createHash('sha256').update(id).digest('base64url').slice(0, 12);
}
