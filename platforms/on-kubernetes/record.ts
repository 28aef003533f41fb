/** Our own record of the last power operation, in an annotation of the VM's object. */
import { own, type PowerState } from '../../api';
import { isSequence } from '../../contract';
import type { KubernetesObject } from '../../kubernetes';

/** The last power operation that was accepted for the VM; JSON. */
export const OPERATION_ANNOTATION = 'vmgroup.dev/operation';

/** What {@link OPERATION_ANNOTATION} says. Times are milliseconds since the epoch, by the clock of the process that wrote it. */
export interface RecordedOperation {
  id: string;
  sequence: number;
  /** The state that the VM is brought to. */
  powerState: PowerState;
  caller: string;
  /** When it was asked for. */
  at: number;
  /** When this power state was first asked for, through all operations that had no effect or that are still being reversed. */
  since: number;
  /** The VM was on its way elsewhere, and in this power state still. */
  turnedRound: boolean;
  /** Ids of other operations of the same sequence, which have been given up. */
  earlier: string[];
}

/**
 * Reads {@link OPERATION_ANNOTATION}; undefined if there is none, or it is not this VM's (annotations travel with copies of a manifest), or it is not
 * one that a worker has written: a forged sequence must not outrank every operation to come.
 */
export function recordedOperation(vm: KubernetesObject): RecordedOperation | undefined {
  const written = ownAnnotation(vm, OPERATION_ANNOTATION);
  const { id, sequence, powerState, caller, at, since, turnedRound, earlier } = written ?? {};
  if (!isShort(id) || !isSequence(sequence) || !isPowerState(powerState)) return undefined;
  if (caller !== undefined && !isShort(caller)) return undefined;
  const asked = time(at) ?? 0;
  return {
    id,
    sequence,
    powerState,
    caller: caller ?? '',
    at: asked,
    since: time(since) ?? asked,
    turnedRound: turnedRound === true,
    earlier: Array.isArray(earlier) ? earlier.filter(isShort) : [],
  };
}

/** The text of {@link OPERATION_ANNOTATION}. */
export function operationText(uid: string | undefined, operation: RecordedOperation): string {
  const { at, since, turnedRound, earlier, ...rest } = operation;
  return JSON.stringify({
    uid,
    ...rest,
    at: new Date(at).toISOString(),
    ...(since !== at && { since: new Date(since).toISOString() }),
    ...(turnedRound && { turnedRound }),
    ...(earlier.length > 0 && { earlier }),
  });
}

/** No id and no caller that we write is longer: longer texts are forged, and would end up in histories. */
const LONGEST_TEXT = 1_024;

function isShort(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LONGEST_TEXT;
}

/** Whether a text is one of the three power states. */
export function isPowerState(value: unknown): value is PowerState {
  return value === 'PoweredOn' || value === 'PoweredOff' || value === 'Suspended';
}

/** Reads an annotation that we wrote as JSON on this very object: annotations travel with copies of a manifest. */
export function ownAnnotation(
  { metadata }: Pick<KubernetesObject, 'metadata'>,
  key: string,
): Record<string, unknown> | undefined {
  const text = own(metadata.annotations, key);
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const fields = value as Record<string, unknown>;
    return fields['uid'] === metadata.uid ? fields : undefined;
  } catch {
    return undefined;
  }
}

function time(value: unknown): number | undefined {
  const milliseconds = typeof value === 'string' ? Date.parse(value) : NaN;
  return Number.isNaN(milliseconds) ? undefined : milliseconds;
}
