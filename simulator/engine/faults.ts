/** Which simulated faults hit a call, and what they do to it. */
import { own, type SimulatedFault } from '../../api';
import type { VirtualMachineRef } from '../../contract';
import type { PowerRequest } from '../../platforms';
import type { PowerCall } from '../../platforms/simulated';
import { draw } from './dice';
import { keyOf, ledgerOf, type EngineState, type VmRecord } from './state';

/** The faults that hit a power call. */
export function faultsOfPower(state: EngineState, request: PowerRequest, record: VmRecord): SimulatedFault[] {
  return faultsThatHit(state, request.vm, (fault) => concernsPower(fault, request, record));
}

/** The fault that hits the placement of a VM. Placing can fail in one way; the other faults are those of power operations. */
export function faultOfPlacement(state: EngineState, vm: VirtualMachineRef): SimulatedFault | undefined {
  return faultsThatHit(
    state,
    vm,
    ({ type, operation }) => type === 'NoCapacity' && operation === undefined,
  )[0];
}

function faultsThatHit(
  state: EngineState,
  vm: VirtualMachineRef,
  concerns: (fault: SimulatedFault) => boolean,
): SimulatedFault[] {
  const { behavior } = state.inventory;
  const ledger = ledgerOf(state, vm);
  return behavior.faults.filter((fault, index) => {
    if (fault.vm !== undefined && fault.vm !== vm.name && fault.vm !== keyOf(vm)) return false;
    if (!concerns(fault)) return false;
    if (fault.times !== undefined && (own(ledger?.hits, faultKey(fault)) ?? 0) >= fault.times) return false;
    const chance = fault.probability ?? 1;
    return chance >= 1 || draw(behavior.seed, keyOf(vm), ledger?.calls ?? 0, index, 'fault') < chance;
  });
}

function concernsPower(fault: SimulatedFault, request: PowerRequest, record: VmRecord): boolean {
  if (fault.operation !== undefined && fault.operation !== request.powerState) return false;
  const asksGuest =
    request.powerState !== 'PoweredOn' && record.powerState === 'PoweredOn' && request.mode !== 'Hard';
  if (fault.type === 'GuestIgnoresShutdown') return asksGuest;
  if (fault.type === 'NoCapacity') return request.powerState === 'PoweredOn';
  return true;
}

/** The refusal that a fault causes; undefined: it lets the call through. */
export function refusalOf(
  fault: SimulatedFault,
): Pick<PowerCall, 'class' | 'message' | 'retryAfter'> | undefined {
  switch (fault.type) {
    case 'TransientError':
      return { class: 'Transient', message: 'simulated fault: the host did not answer' };
    case 'PermanentError':
      return { class: 'Permanent', message: 'simulated fault: the disk of the VM cannot be opened' };
    case 'Throttled':
      return {
        class: 'Throttled',
        message: 'simulated fault: too many requests',
        ...(fault.retryAfter !== undefined && { retryAfter: fault.retryAfter }),
      };
    case 'NoCapacity':
      return { class: 'NoCapacity', message: 'simulated fault: no host has room' };
    case 'Stuck':
    case 'Slow':
    case 'LostReply':
    case 'GuestIgnoresShutdown':
    case 'Question':
      return undefined;
  }
}

/** Faults as the journal has them. */
export function faultMarks(faults: readonly SimulatedFault[]): NonNullable<PowerCall['faults']> {
  return faults.map((fault) => ({ type: fault.type, key: faultKey(fault) }));
}

/** The same fault in an edited inventory keeps its count. */
function faultKey(fault: SimulatedFault): string {
  return JSON.stringify(fault);
}
