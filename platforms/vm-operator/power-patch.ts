/**
 * The patch that a power operation makes of a VirtualMachine. Pure.
 *
 * PLATFORM-1, PLATFORM-2: see accept.ts of on-kubernetes.
 * VMOPERATOR-1: a patch is made for one version of the object. After any change in between it is a conflict, and made again.
 */
import type { PowerMode, PowerState } from '../../api';
import type { VirtualMachineObject } from '../../kubernetes';
import {
  OPERATION_ANNOTATION,
  operationText,
  recordOf,
  verdictOn,
  type Acceptance,
  type RecordedOperation,
  type Verdict,
} from '../on-kubernetes';
import type { PowerRequest } from '../platform';
import { APPLY_TIME } from './annotations';
import { desiredStateOf, exists, powerStateOf } from './observe';

/** The reply to a {@link PowerRequest}. */
export type PowerReply = Exclude<Verdict, { type: 'Accepted' }> | { type: 'Patch'; patch: object };

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
  const verdict = verdictOn(vm, request);
  if (verdict.type !== 'Accepted' || !vm) return verdict as PowerReply;
  return { type: 'Patch', patch: patchOf(vm, request, verdict.recorded, { at, companion }) };
}

function patchOf(
  vm: VirtualMachineObject,
  request: PowerRequest,
  recorded: RecordedOperation | undefined,
  { at, companion }: { at: number; companion: boolean },
): object {
  const { mode } = request;
  const is = powerStateOf(vm);
  const powerState = targetOf(request.powerState, is);
  const next = recordOf(request, { recorded, at, powerState, ...courseOf(vm, powerState, recorded) });
  return {
    metadata: {
      resourceVersion: vm.metadata.resourceVersion,
      annotations: {
        [OPERATION_ANNOTATION]: operationText(vm.metadata.uid, next),
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

/** What becomes of the operation before, and whether VM Operator may still be carrying out the opposite. */
function courseOf(
  vm: VirtualMachineObject,
  powerState: PowerState,
  recorded: RecordedOperation | undefined,
): Pick<Acceptance, 'continues' | 'turnedRound'> {
  const isThere = powerStateOf(vm) === powerState;
  const desired = desiredStateOf(vm);
  const isSame = desired === powerState && recorded?.powerState === powerState;
  // The operation before reversed it, and only the time since then shows whether that is over.
  const staysTurned = isThere && isSame && recorded.turnedRound;
  return {
    continues: isSame && (!isThere || staysTurned),
    turnedRound: staysTurned || (isThere && desired !== undefined && desired !== powerState && exists(vm)),
  };
}

function modeOf(powerState: PowerState, mode: PowerMode): object {
  return powerState === 'Suspended' ? { suspendMode: mode } : { powerOffMode: mode };
}

/** A VM that is off stays off on a request to suspend it. */
function targetOf(wanted: PowerState, is: PowerState): PowerState {
  return wanted === 'Suspended' && is === 'PoweredOff' ? 'PoweredOff' : wanted;
}
