/**
 * The patch that a power operation makes of a VirtualMachine. Pure.
 *
 * PLATFORM-1: an operation id that is recorded on the VM, as its last or as an earlier one of the same sequence, is not written again.
 * PLATFORM-2: a sequence smaller than the recorded one is refused. Every accepted operation records its own, even if the VM is in the state
 *     already: an older operation that arrives later is refused.
 * VMOPERATOR-1: a patch is made for one version of the object. After any change in between it is a conflict, and made again.
 */
import type { PowerMode, PowerState } from '../../api';
import type { VirtualMachineObject } from '../../kubernetes';
import { PlatformError, type PowerRequest } from '../platform';
import {
  APPLY_TIME,
  OPERATION,
  operationText,
  recordedOperation,
  type RecordedOperation,
} from './annotations';
import { desiredStateOf, exists, powerStateOf } from './observe';

/** The reply to a {@link PowerRequest}. */
export type PowerReply =
  | { type: 'Refused'; error: PlatformError }
  /** It is recorded on the VM already: the VM's state is the answer. */
  | { type: 'Known' }
  /** There is no such VM, so it is off. */
  | { type: 'Absent' }
  | { type: 'Patch'; patch: object };

/** Ids of one sequence that are kept: more than any retry budget gives up while one of them is still on its way. */
const KEPT_IDS = 16;

/**
 * The reply for one version of the VM; undefined: there is no VM of that uid. `at`: milliseconds since the epoch. `companion`: VM Operator's group
 * controller acts, and owns the apply-time annotation.
 */
export function replyToPower(
  vm: VirtualMachineObject | undefined,
  request: PowerRequest,
  at: number,
  companion = false,
): PowerReply {
  const on = request.powerState === 'PoweredOn';
  if (!vm) return on ? refused(missing(request)) : { type: 'Absent' };
  const recorded = recordedOperation(vm);
  const { id, sequence } = request.operation;
  if (recorded && recorded.sequence > sequence) return refused(superseded(request, recorded));
  if (recorded?.id === id || recorded?.earlier.includes(id)) return { type: 'Known' };
  if (on && vm.metadata.deletionTimestamp !== undefined) return refused(terminating(request));
  return { type: 'Patch', patch: patchOf(vm, request, recorded, { at, companion }) };
}

function patchOf(
  vm: VirtualMachineObject,
  request: PowerRequest,
  recorded: RecordedOperation | undefined,
  { at, companion }: { at: number; companion: boolean },
): object {
  const { operation, caller, mode } = request;
  const is = powerStateOf(vm);
  const powerState = targetOf(request.powerState, is);
  const desired = desiredStateOf(vm);
  const continues = desired === powerState && recorded?.powerState === powerState && is !== powerState;
  const next: RecordedOperation = {
    ...operation,
    powerState,
    caller,
    at,
    since: continues ? recorded.since : at,
    turnedRound: is === powerState && desired !== undefined && desired !== powerState && exists(vm),
    earlier: recorded?.sequence === operation.sequence ? earlierIds(recorded) : [],
  };
  return {
    metadata: {
      resourceVersion: vm.metadata.resourceVersion,
      annotations: {
        [OPERATION]: operationText(vm.metadata.uid, next),
        // Where its group controller acts, the webhook of VM Operator removes it.
        ...(!companion && { [APPLY_TIME]: null }),
      },
    },
    spec: {
      powerState,
      ...(mode && powerState === request.powerState && modeOf(powerState, mode)),
    },
  };
}

function modeOf(powerState: PowerState, mode: PowerMode): object {
  return powerState === 'Suspended' ? { suspendMode: mode } : { powerOffMode: mode };
}

/** A VM that is off stays off when it is to be suspended. */
function targetOf(wanted: PowerState, is: PowerState): PowerState {
  return wanted === 'Suspended' && is === 'PoweredOff' ? 'PoweredOff' : wanted;
}

function earlierIds({ id, earlier }: RecordedOperation): string[] {
  return [...earlier, id].slice(-KEPT_IDS);
}

function refused(error: PlatformError): PowerReply {
  return { type: 'Refused', error };
}

function superseded({ operation, vm }: PowerRequest, recorded: RecordedOperation): PlatformError {
  return new PlatformError(
    'Superseded',
    `operation ${operation.id} on VM ${vm.namespace}/${vm.name} has sequence ${operation.sequence}, and operation ${recorded.id} of ${recorded.caller} has ${recorded.sequence}: a newer decision has taken over`,
    undefined,
    { recorded: { sequence: recorded.sequence, caller: recorded.caller } },
  );
}

function missing({ vm }: PowerRequest): PlatformError {
  return new PlatformError(
    'Permanent',
    `VirtualMachine ${vm.namespace}/${vm.name} (uid ${vm.uid}) no longer exists; create it again or take it out of the group`,
  );
}

function terminating({ vm }: PowerRequest): PlatformError {
  return new PlatformError(
    'Permanent',
    `VirtualMachine ${vm.namespace}/${vm.name} is being deleted, so it is not powered on`,
  );
}
