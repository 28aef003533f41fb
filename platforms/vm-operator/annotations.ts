/** Annotations and labels of a VirtualMachine: our own record of its place, and what holds VM Operator back. */
import type { Placement } from '../../api';
import type { VirtualMachineObject } from '../../kubernetes';
import { isSequence } from '../../contract';
import { ownAnnotation } from '../on-kubernetes';

/** Where the VM is to be created; JSON. It counts as taken room until the VM exists. Without a zone: the place was given back. */
export const PLACEMENT = 'vmgroup.dev/placement';
/** Earliest time at which VM Operator applies the power state; written by its own group controller. */
export const APPLY_TIME = 'vmoperator.vmware.com.protected/apply-power-state-time';
/** When the power state of a group was last set, or a sync forced; written by VM Operator's webhook, not by ours. */
export const LAST_UPDATED = 'vmoperator.vmware.com.protected/last-updated-power-state-time';
/** VM Operator leaves a VM with this annotation or label alone. */
const PAUSED = 'vmoperator.vmware.com/paused';
/** Each annotation with this prefix, one a component, holds the power-on back. */
const POWER_ON_CHECK = 'poweron.check.vmoperator.vmware.com/';

/** Reads {@link PLACEMENT}; undefined if it is absent, or belongs to another VM. */
export function recordedPlacement(vm: VirtualMachineObject): Placement | undefined {
  const { zoneID, pool } = ownAnnotation(vm, PLACEMENT) ?? {};
  if (typeof zoneID !== 'string') return undefined;
  return { zoneID, ...(typeof pool === 'string' && { pool }) };
}

/** The caller that last asked for the place of a VM, or gave it back, and the sequence of that call. */
export interface Claim {
  caller: string;
  /** Absent: the call had none, and its place is not given back. */
  sequence?: number;
}

/** Reads who wrote {@link PLACEMENT}. */
export function recordedClaim(vm: VirtualMachineObject): Claim | undefined {
  const { caller, sequence } = ownAnnotation(vm, PLACEMENT) ?? {};
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

/** Whether an annotation or label makes VM Operator leave the VM alone. */
export function isPaused({ metadata }: VirtualMachineObject): boolean {
  return PAUSED in (metadata.annotations ?? {}) || PAUSED in (metadata.labels ?? {});
}

/** Who holds the power-on of the VM back. */
export function powerOnChecks({ metadata }: VirtualMachineObject): string[] {
  return Object.keys(metadata.annotations ?? {}).filter((key) => key.startsWith(POWER_ON_CHECK));
}
