/**
 * Whether an operation is accepted for one version of a VM, and what is recorded of it. Pure.
 *
 * PLATFORM-1: an operation id that is recorded on the VM, as its last or as an earlier one of the same sequence, is not accepted again.
 * PLATFORM-2: a sequence smaller than the recorded one is refused. Every accepted operation records its own, even if the VM is in the state
 *     already: an older operation that arrives later is refused.
 */
import type { PowerState } from '../../api';
import type { KubernetesObject } from '../../kubernetes';
import { PlatformError, type PowerRequest, type VirtualMachineState } from '../platform';
import { superseded } from '../superseded';
import { recordedOperation, type RecordedOperation } from './record';

/** What to do about a {@link PowerRequest}. */
export type Verdict =
  | { type: 'Refused'; error: PlatformError }
  /** It is recorded on the VM already: the VM's state is the answer. */
  | { type: 'Known' }
  /** There is no such VM, so it is off. */
  | { type: 'Absent' }
  /** `recorded`: the operation before it. */
  | { type: 'Accepted'; recorded: RecordedOperation | undefined };

/** Ids of one sequence that are kept: more than any retry budget gives up while one of them is still on its way. */
const KEPT_IDS = 16;

/** Decides for one version of the VM; undefined: there is no VM of that uid. */
export function verdictOn(vm: KubernetesObject | undefined, request: PowerRequest): Verdict {
  const on = request.powerState === 'PoweredOn';
  if (!vm) return on ? refused(missing(request)) : { type: 'Absent' };
  const recorded = recordedOperation(vm);
  const { id, sequence } = request.operation;
  if (recorded && recorded.sequence > sequence) return refused(superseded(request, recorded));
  if (recorded?.id === id || recorded?.earlier.includes(id)) return { type: 'Known' };
  if (on && vm.metadata.deletionTimestamp !== undefined) return refused(terminating(request));
  return { type: 'Accepted', recorded };
}

/** How things stand when an operation is accepted. */
export interface Acceptance {
  recorded: RecordedOperation | undefined;
  /** Milliseconds since the epoch. */
  at: number;
  /** Where the VM is brought to. */
  powerState: PowerState;
  /** The operation before had it on its way there already, or is still reversing it. */
  continues: boolean;
  turnedRound: boolean;
}

/** The record of an operation that was accepted. */
export function recordOf({ operation, caller }: PowerRequest, acceptance: Acceptance): RecordedOperation {
  const { recorded, at, powerState, continues, turnedRound } = acceptance;
  return {
    ...operation,
    powerState,
    caller,
    at,
    turnedRound,
    since: continues && recorded ? recorded.since : at,
    earlier: recorded?.sequence === operation.sequence ? earlierIds(recorded) : [],
  };
}

/** A VM that does not exist is off. */
export function absentState({ vm, operation }: PowerRequest): VirtualMachineState {
  return {
    vm,
    status: { powerState: 'PoweredOff', at: Date.now() },
    operation: { ...operation, phase: 'Done' },
  };
}

function earlierIds({ id, earlier }: RecordedOperation): string[] {
  return [...earlier, id].slice(-KEPT_IDS);
}

function refused(error: PlatformError): Verdict {
  return { type: 'Refused', error };
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
