/**
 * Holds VMs that VM Operator has not created yet, where its own group controller places them. Pure.
 *
 * VMOPERATOR-5: nothing is placed here. A VM that is not created, and that no operation of ours has asked to be on, is set to `PoweredOff`:
 *     otherwise VM Operator powers it on as soon as it has created it, in no order. A VM that exists is left alone.
 */
import type { Placement } from '../../api';
import type { VirtualMachineObject } from '../../kubernetes';
import { recordedOperation } from '../on-kubernetes';
import { desiredStateOf, exists, placementOf } from './observe';

/** Where a VM is while VM Operator has not decided: an empty zone. */
const UNDECIDED: Placement = { zoneID: '' };

/** The patch that holds a version of a VM; undefined: it needs none. */
export function patchToHold(vm: VirtualMachineObject): object | undefined {
  if (!startsByItself(vm)) return undefined;
  const { resourceVersion } = vm.metadata;
  return { metadata: { resourceVersion }, spec: { powerState: 'PoweredOff' } };
}

/** Whether VM Operator powers a VM on as soon as it has created it, although no operation of ours asked for that. */
export function startsByItself(vm: VirtualMachineObject): boolean {
  if (exists(vm) || recordedOperation(vm)?.powerState === 'PoweredOn') return false;
  // Absent, it becomes `PoweredOn` in VM Operator's webhook.
  return (desiredStateOf(vm) ?? 'PoweredOn') === 'PoweredOn';
}

/** The place of a VM that VM Operator places. */
export function placeOfVmOperator(vm: VirtualMachineObject): Placement {
  return placementOf(vm) ?? UNDECIDED;
}
