/**
 * What is observed of a VirtualMachine, read from one version of it. Pure.
 *
 * PLATFORM-3: the power state is `status.powerState`, which VM Operator writes after it has seen it on the VM. A VM that it has not created is off.
 * OBSERVATION-1: an operation is done once spec and status both show its target state; it has failed if another client changed the spec before that,
 *     or if VM Operator has reported that it cannot carry it out, and still has not after a while.
 * OBSERVATION-2: `since` is never too early: VM Operator's times are whole seconds, rounded down.
 */
import type { Placement, PowerState, VirtualMachineStatus } from '../../api';
import type { ObjectCondition, VirtualMachineObject } from '../../kubernetes';
import { isGuestAddress } from '../guest-address';
import type { VirtualMachineState } from '../platform';
import { isPowerState, recordedOperation, refOf, type RecordedOperation } from '../on-kubernetes';
import { isPaused, powerOnChecks } from './annotations';
import { classifyWarning, type Warning } from './warnings';

/** What is known besides the object. */
export interface Circumstances {
  /** When this version of the object was observed, milliseconds since the epoch. */
  at: number;
  now: number;
  /** What VM Operator last complained of, and since when it complains. */
  warning?: Warning | undefined;
  /** Milliseconds that VM Operator has to get over what it complained of. */
  patience: number;
}

/** A state, and when to look at the same object again because the passing of time changes what it means. */
export interface Observation {
  state: VirtualMachineState;
  reviewAt?: number;
}

type OperationState = NonNullable<VirtualMachineState['operation']>;
/** How an operation stands, and until when that holds. */
type Standing = Pick<OperationState, 'phase' | 'failure' | 'hold'> & { reviewAt?: number };

/**
 * Milliseconds in which an operation that turned a VM round is not called done: VM Operator may be carrying out the earlier one,
 * which shows only after its effect.
 */
const TURNING = 5_000;
/** Milliseconds by which the clock of VM Operator may be behind, its whole seconds included. */
const CLOCKS = 2_000;

/** Reads a VM. */
export function observe(vm: VirtualMachineObject, circumstances: Circumstances): Observation {
  const recorded = recordedOperation(vm);
  const { reviewAt, ...standing } = recorded
    ? standingOf(vm, recorded, circumstances)
    : { phase: 'InProgress' as const };
  const operation = recorded
    ? { id: recorded.id, sequence: recorded.sequence, caller: recorded.caller, ...standing }
    : unrecorded(vm);
  return {
    state: { vm: refOf(vm), status: statusOf(vm, circumstances.at), ...(operation && { operation }) },
    ...(reviewAt !== undefined && { reviewAt }),
  };
}

/** The power state that was last seen. */
export function powerStateOf({ status }: VirtualMachineObject): PowerState {
  return isPowerState(status.powerState) ? status.powerState : 'PoweredOff';
}

/** The power state that VM Operator is to bring the VM to; undefined: it leaves it alone. */
export function desiredStateOf({ spec }: VirtualMachineObject): PowerState | undefined {
  return isPowerState(spec.powerState) ? spec.powerState : undefined;
}

/** Whether VM Operator has created the VM. */
export function exists({ status }: VirtualMachineObject): boolean {
  return status.uniqueID !== undefined && status.uniqueID !== '';
}

// ---- The status --------------------------------------------------------------------------------------------------------------------

/** What is observed of a VM whose version arrived at `at`, milliseconds since the epoch. */
export function statusOf(vm: VirtualMachineObject, at: number): VirtualMachineStatus {
  const powerState = powerStateOf(vm);
  const ready = conditionOf(vm, 'Ready');
  const conditions = (vm.status.conditions ?? []).filter(
    ({ type, status }) => status === 'True' && type !== 'Ready',
  );
  const since = sinceOf(vm, powerState, at);
  const placement = placementOf(vm);
  const address = powerState === 'PoweredOn' ? guestAddress(vm) : undefined;
  return {
    powerState,
    // The probes stop with the VM, but their last result stays for a while.
    ...(ready && { ready: ready.status === 'True' && powerState === 'PoweredOn' }),
    ...(conditions.length > 0 && { conditions: conditions.map(({ type }) => type) }),
    ...(since !== undefined && { since }),
    at,
    ...(vm.metadata.resourceVersion !== undefined && { version: vm.metadata.resourceVersion }),
    ...(placement && { placement }),
    ...(address !== undefined && { address }),
  };
}

/** The address that the guest reports. An address of the worker's own host does not count: a probe must not be misdirected. */
function guestAddress({ status }: VirtualMachineObject): string | undefined {
  const { primaryIP4, primaryIP6 } = status.network ?? {};
  return [primaryIP4, primaryIP6].find((address) => typeof address === 'string' && isGuestAddress(address));
}

/** OBSERVATION-2. The condition names the state that it speaks of. */
function sinceOf(vm: VirtualMachineObject, powerState: PowerState, at: number): number | undefined {
  const synced = conditionOf(vm, 'VirtualMachinePowerStateSynced');
  if (synced?.status !== 'True' || synced.message !== powerState) return undefined;
  const since = Date.parse(synced.lastTransitionTime ?? '') + 999;
  return Number.isNaN(since) ? undefined : Math.min(since, at);
}

/** Where VM Operator has created the VM; undefined: it has not, or does not say. */
export function placementOf(vm: VirtualMachineObject): Placement | undefined {
  const { zone, nodeName } = vm.status;
  if (!exists(vm) || zone === undefined || zone === '') return undefined;
  return { zoneID: zone, ...(nodeName !== undefined && nodeName !== '' && { node: nodeName }) };
}

function conditionOf({ status }: VirtualMachineObject, type: string): ObjectCondition | undefined {
  return status.conditions?.find((condition) => condition.type === type);
}

// ---- The operation -----------------------------------------------------------------------------------------------------------------

/** OBSERVATION-1. */
function standingOf(vm: VirtualMachineObject, operation: RecordedOperation, facts: Circumstances): Standing {
  const { powerState } = operation;
  const there = powerStateOf(vm) === powerState;
  if (desiredStateOf(vm) !== powerState) {
    // There, and on its way elsewhere.
    return there ? { phase: 'InProgress' } : { phase: 'Failed', failure: overruled(vm, operation) };
  }
  if (there) {
    // The clock of the process that wrote it may be ahead.
    const settledAt = Math.min(operation.since, facts.at) + TURNING;
    const turning = operation.turnedRound && facts.now < settledAt;
    return turning ? { phase: 'InProgress', reviewAt: settledAt } : { phase: 'Done' };
  }
  const hold = holdOf(vm, powerState);
  return hold === undefined ? waiting(vm, operation, facts) : { phase: 'InProgress', hold };
}

/** Of an operation that nothing visible holds back. */
function waiting(
  vm: VirtualMachineObject,
  operation: RecordedOperation,
  { warning, patience, now, at }: Circumstances,
): Standing {
  // The clock of the process that wrote it may be ahead.
  if (!warning || warning.last + CLOCKS < Math.min(operation.since, at)) {
    return exists(vm) ? { phase: 'InProgress' } : { phase: 'InProgress', hold: notCreated(vm) };
  }
  const failsAt = Math.max(Math.min(warning.first, now), Math.min(operation.at, at)) + patience;
  const message = `VM Operator: ${warning.message}`;
  if (now < failsAt) return { phase: 'InProgress', hold: message, reviewAt: failsAt };
  return { phase: 'Failed', failure: { class: classifyWarning(warning.message), message } };
}

function overruled(
  vm: VirtualMachineObject,
  operation: RecordedOperation,
): NonNullable<OperationState['failure']> {
  const desired = vm.spec.powerState ?? 'nothing';
  return {
    class: 'Transient',
    message: `spec.powerState of VM ${nameOf(vm)} was set to ${desired} by another client before operation ${operation.id} (${operation.powerState}) took effect`,
  };
}

/** A power change that no operation of ours asked for, but that is in progress. */
function unrecorded(vm: VirtualMachineObject): OperationState | undefined {
  const desired = desiredStateOf(vm);
  if (desired === undefined || desired === powerStateOf(vm)) return undefined;
  return { id: `spec.powerState=${desired}`, sequence: 0, phase: 'InProgress' };
}

/** What keeps VM Operator from doing it, and what to do about that; undefined if nothing is seen. */
function holdOf(vm: VirtualMachineObject, powerState: PowerState): string | undefined {
  if (vm.metadata.deletionTimestamp !== undefined) return 'it is being deleted';
  if (isPaused(vm)) {
    return 'VM Operator leaves it alone while it has the annotation or label vmoperator.vmware.com/paused: take that off';
  }
  const checks = powerStateOf(vm) !== 'PoweredOn' && powerState === 'PoweredOn' ? powerOnChecks(vm) : [];
  if (checks.length > 0) {
    return `VM Operator does not power it on while it has the annotation ${checks.join(', ')}: the component that set it removes it`;
  }
  const softly = powerState === 'PoweredOff' && vm.spec.powerOffMode === 'Soft';
  if (softly && powerStateOf(vm) === 'Suspended') {
    return 'VM Operator does not power off a suspended VM in mode Soft: set powerOffMode to TrySoft or Hard';
  }
  return undefined;
}

/** Conditions of a VM that are shown where it is not created. */
const SHOWN = 3;

function notCreated({ status }: VirtualMachineObject): string {
  const missing = (status.conditions ?? [])
    .filter(({ type, status: is }) => is === 'False' && type !== 'VirtualMachinePowerStateSynced')
    .map(({ type, reason, message }) => `${type}: ${[reason, message].filter(Boolean).join(': ')}`);
  const why = missing.length > 0 ? ` (${missing.slice(0, SHOWN).join('; ')})` : '';
  return `VM Operator has not created it yet${why}`;
}

/** `namespace/name`, for messages. */
function nameOf({ metadata }: VirtualMachineObject): string {
  return `${metadata.namespace}/${metadata.name}`;
}
