/** What stands on a VirtualMachine beside its fields: our own record of what was asked and decided, and what holds VM Operator back. */
import { own, type Placement, type PowerState } from '../../api';
import type { VirtualMachineObject } from '../../kubernetes';
import { isSequence } from '../../contract';

/** The last power operation that was accepted for the VM; JSON. */
export const OPERATION = 'vmgroup.dev/operation';
/** Where the VM is to be created; JSON. It counts as taken room until the VM exists. Without a zone: the place was given back. */
export const PLACEMENT = 'vmgroup.dev/placement';
/** Earliest time at which VM Operator applies the power state; written by its own group controller. */
export const APPLY_TIME = 'vmoperator.vmware.com.protected/apply-power-state-time';
/** VM Operator leaves a VM with this annotation or label alone. */
const PAUSED = 'vmoperator.vmware.com/paused';
/** Each annotation with this prefix, one a component, holds the power-on back. */
const POWER_ON_CHECK = 'poweron.check.vmoperator.vmware.com/';

/** What {@link OPERATION} says. Times are milliseconds since the epoch, by the clock of the process that wrote it. */
export interface RecordedOperation {
  id: string;
  sequence: number;
  /** The state that the VM is brought to. */
  powerState: PowerState;
  caller: string;
  /** When it was asked for. */
  at: number;
  /** When this power state was first asked for, through all operations that came to nothing. */
  since: number;
  /** The VM was on its way elsewhere, and in this power state still. */
  turnedRound: boolean;
  /** Ids of other operations of the same sequence, which have been given up. */
  earlier: string[];
}

/**
 * Reads {@link OPERATION}; undefined if there is none, or it is not this VM's (annotations travel with copies of a manifest), or it is not
 * one that a worker has written: a forged sequence must not outrank every operation to come.
 */
export function recordedOperation(vm: VirtualMachineObject): RecordedOperation | undefined {
  const written = parsed(vm, OPERATION);
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

/** The text of {@link OPERATION}. */
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

/** Reads {@link PLACEMENT}; undefined where there is none, or it is none of this VM. */
export function recordedPlacement(vm: VirtualMachineObject): Placement | undefined {
  const { zoneID, pool } = parsed(vm, PLACEMENT) ?? {};
  if (typeof zoneID !== 'string') return undefined;
  return { zoneID, ...(typeof pool === 'string' && { pool }) };
}

/** Who asked last for the place of a VM, or gave it back, and in which of his calls. */
export interface Claim {
  caller: string;
  /** Absent: the call had none, and its place is not given back. */
  sequence?: number;
}

/** Reads who wrote {@link PLACEMENT}. */
export function recordedClaim(vm: VirtualMachineObject): Claim | undefined {
  const { caller, sequence } = parsed(vm, PLACEMENT) ?? {};
  if (typeof caller !== 'string') return undefined;
  return { caller, ...(isSequence(sequence) && { sequence }) };
}

/** The text of {@link PLACEMENT}; without a place: it was given back. */
export function placementText(
  uid: string | undefined,
  placement: Placement | undefined,
  { caller, sequence }: Claim,
): string {
  return JSON.stringify({ uid, ...placement, caller, ...(sequence !== undefined && { sequence }) });
}

/** Whether VM Operator is told to leave the VM alone. */
export function isPaused({ metadata }: VirtualMachineObject): boolean {
  return PAUSED in (metadata.annotations ?? {}) || PAUSED in (metadata.labels ?? {});
}

/** Who holds the power-on of the VM back. */
export function powerOnChecks({ metadata }: VirtualMachineObject): string[] {
  return Object.keys(metadata.annotations ?? {}).filter((key) => key.startsWith(POWER_ON_CHECK));
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

function parsed({ metadata }: VirtualMachineObject, key: string): Record<string, unknown> | undefined {
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
