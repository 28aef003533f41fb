/**
 * What a call for a change of power or for a place writes on a VirtualMachine. Pure.
 *
 * PLATFORM-1: an operation id that stands on the VM, alone or among those given up, is not written again.
 * PLATFORM-2: a sequence smaller than the one that stands on the VM is refused. Every operation that is accepted leaves its own, also where the VM
 *     is in the state already: whoever carries an older one is refused from then on.
 * VMOPERATOR-1: the patch holds for the version that it was decided on: after any change in between it is a conflict, and decided anew.
 * VMOPERATOR-2: a VM that has its place keeps it, whoever decided that. Where it is to be held, one that VM Operator has not created is set to
 *     `PoweredOff`: its webhook asks for `PoweredOn` where a manifest says nothing, and the VM would be powered on as soon as it is created, in
 *     no order. What an operation of ours has asked for stands.
 * PLATFORM-4: the place of a VM that VM Operator has not created, and of which no power was asked, is taken off the VM by who asked last for it. That
 *     he did stays on the VM, and refuses a call of his from before. VM Operator may be creating the VM at that moment, from the status of
 *     the group: then the VM's own zone says where it is, and it counts as placed.
 */
import type { Placement, PowerMode, PowerState } from '../../api';
import type { VirtualMachineObject } from '../../kubernetes';
import {
  lateCallMessage,
  PlatformError,
  type PlaceOptions,
  type PowerRequest,
  type ReleaseOptions,
} from '../platform';
import {
  APPLY_TIME,
  OPERATION,
  operationText,
  PLACEMENT,
  placementText,
  recordedClaim,
  recordedOperation,
  recordedPlacement,
  type RecordedOperation,
} from './annotations';
import { desiredStateOf, exists, placementOf, powerStateOf } from './observe';

/** What to do about a {@link PowerRequest}. */
export type PowerDecision =
  | { type: 'Refused'; error: PlatformError }
  /** It stands on the VM already: the VM's state is the answer. */
  | { type: 'Known' }
  /** There is no such VM, so it is off. */
  | { type: 'Absent' }
  | { type: 'Patch'; patch: object };

/** Other ids of one sequence that are kept: more than any retry budget gives up while one of them is still on its way. */
const KEPT_IDS = 16;

/** Decides on one version of the VM, undefined where there is none of that uid. `at`: milliseconds since the epoch. */
export function decidePower(
  vm: VirtualMachineObject | undefined,
  request: PowerRequest,
  at: number,
): PowerDecision {
  const on = request.powerState === 'PoweredOn';
  if (!vm) return on ? refused(missing(request)) : { type: 'Absent' };
  const recorded = recordedOperation(vm);
  const { id, sequence } = request.operation;
  if (recorded && recorded.sequence > sequence) return refused(superseded(request, recorded));
  if (recorded?.id === id || recorded?.earlier.includes(id)) return { type: 'Known' };
  if (on && vm.metadata.deletionTimestamp !== undefined) return refused(terminating(request));
  return { type: 'Patch', patch: patchOf(vm, request, recorded, at) };
}

function patchOf(
  vm: VirtualMachineObject,
  request: PowerRequest,
  recorded: RecordedOperation | undefined,
  at: number,
): object {
  const { operation, caller, mode } = request;
  const is = powerStateOf(vm);
  const powerState = targetOf(request.powerState, is);
  const desired = desiredStateOf(vm);
  const goesOn = desired === powerState && recorded?.powerState === powerState && is !== powerState;
  const next: RecordedOperation = {
    ...operation,
    powerState,
    caller,
    at,
    since: goesOn ? recorded.since : at,
    turnedRound: is === powerState && desired !== undefined && desired !== powerState && exists(vm),
    earlier: recorded?.sequence === operation.sequence ? given(recorded) : [],
  };
  return {
    metadata: {
      resourceVersion: vm.metadata.resourceVersion,
      annotations: { [OPERATION]: operationText(vm.metadata.uid, next), [APPLY_TIME]: null },
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

function given({ id, earlier }: RecordedOperation): string[] {
  return [...earlier, id].slice(-KEPT_IDS);
}

function refused(error: PlatformError): PowerDecision {
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
    `VirtualMachine ${vm.namespace}/${vm.name} (uid ${vm.uid}) does not exist any more; create it again or take it out of the group`,
  );
}

function terminating({ vm }: PowerRequest): PlatformError {
  return new PlatformError(
    'Permanent',
    `VirtualMachine ${vm.namespace}/${vm.name} is being deleted, so it is not powered on`,
  );
}

/** The place that a VM has, and how that comes to stand on it; no patch where it does. */
export interface PlaceDecision {
  placement: Placement;
  patch?: object;
}

/** What is to become of a VM that has no place. */
export interface PlaceIntent extends PlaceOptions {
  /** Where it is to be created; absent: it has its place, and is given no other. */
  chosen?: Placement;
  /** The zones in which VMs may be created. */
  zones: ReadonlySet<string>;
}

/**
 * Decides on one version of a VM.
 *
 * @throws PlatformError `Superseded` where the caller has given the place back since, PLATFORM-4; `Transient` where another caller has, of a VM that
 *   is given no other.
 */
export function decidePlace(vm: VirtualMachineObject, intent: PlaceIntent): PlaceDecision {
  refuseLate(vm, intent);
  const { chosen, zones } = intent;
  // What another attempt of the same call has written gives way to what was found since.
  const kept = chosen && isUnconfirmed(vm, intent) ? undefined : keptPlacement(vm, zones);
  const placement = kept ?? chosen;
  if (!placement) throw placeLost(vm);
  if (exists(vm)) return { placement };
  const released = recordedOperation(vm)?.powerState === 'PoweredOn';
  const hold = intent.hold === true && desiredStateOf(vm) !== 'PoweredOff' && !released;
  const claimed = kept === undefined || isNewClaim(vm, intent);
  if (!claimed && !hold) return { placement };
  const { uid, resourceVersion } = vm.metadata;
  return {
    placement,
    patch: {
      metadata: {
        resourceVersion,
        ...(claimed && { annotations: { [PLACEMENT]: placementText(uid, placement, intent) } }),
      },
      ...(hold && { spec: { powerState: 'PoweredOff' } }),
    },
  };
}

/**
 * A call that the caller has undone since.
 *
 * @throws PlatformError `Superseded`, PLATFORM-4.
 */
export function refuseLate(vm: VirtualMachineObject, { caller, sequence = Infinity }: PlaceOptions): void {
  const claim = recordedClaim(vm);
  if (recordedPlacement(vm) || claim?.caller !== caller || (claim.sequence ?? 0) <= sequence) return;
  const { namespace, name } = vm.metadata;
  throw new PlatformError('Superseded', lateCallMessage(caller, `${namespace}/${name}`), undefined, {
    recorded: { sequence: claim.sequence ?? 0, caller },
  });
}

function placeLost({ metadata: { namespace, name } }: VirtualMachineObject): PlatformError {
  return new PlatformError(
    'Transient',
    `VirtualMachine ${namespace}/${name} lost its place while that was looked at; it is placed again`,
  );
}

/**
 * Whether the place of a VM was written for this very call, by an attempt whose answer nobody has: that one may have lost the placement lock
 * before it could take the place back.
 */
export function isUnconfirmed(vm: VirtualMachineObject, { caller, sequence }: PlaceOptions): boolean {
  if (sequence === undefined || exists(vm) || recordedOperation(vm) || !recordedPlacement(vm)) return false;
  const claim = recordedClaim(vm);
  return claim?.caller === caller && claim.sequence === sequence;
}

/**
 * Takes a place off a VM that an attempt of this call has written there, and leaves what the VM had before: the text of its annotation.
 * Undefined: the place is not, or no longer, that of the attempt.
 */
export function decideTakeBack(
  vm: VirtualMachineObject,
  { chosen, caller, sequence }: PlaceIntent,
  before: string | undefined,
): object | undefined {
  if (exists(vm) || recordedOperation(vm)) return undefined;
  const claim = recordedClaim(vm);
  const placement = recordedPlacement(vm);
  const isOurs = claim?.caller === caller && claim.sequence === sequence;
  if (!isOurs || placement?.zoneID !== chosen?.zoneID) return undefined;
  const { resourceVersion } = vm.metadata;
  return { metadata: { resourceVersion, annotations: { [PLACEMENT]: before ?? null } } };
}

/** Whether somebody asks for a place that another call has on record. */
function isNewClaim(vm: VirtualMachineObject, { caller, sequence }: PlaceOptions): boolean {
  if (sequence === undefined) return false;
  const claim = recordedClaim(vm);
  return claim?.caller !== caller || (claim.sequence ?? 0) < sequence;
}

/** What becomes of the place of a VM. */
export type ReleaseDecision =
  /** It stays. */
  | { type: 'Kept' }
  /** It has none, and a late call is refused. */
  | { type: 'Free' }
  | { type: 'Patch'; patch: object };

/** Decides on one version of a VM whether its place is taken off it, PLATFORM-4. */
export function decideRelease(
  vm: VirtualMachineObject | undefined,
  release: ReleaseOptions,
): ReleaseDecision {
  if (!vm) return { type: 'Free' };
  if (exists(vm) || recordedOperation(vm)) return { type: 'Kept' };
  const claim = recordedClaim(vm);
  const mine = claim?.caller === release.caller;
  if (recordedPlacement(vm)) {
    if (!mine || (claim.sequence ?? Infinity) >= release.sequence) return { type: 'Kept' };
  } else if (mine && (claim.sequence ?? 0) >= release.sequence) {
    return { type: 'Free' };
  }
  const { uid, resourceVersion } = vm.metadata;
  const annotations = { [PLACEMENT]: placementText(uid, undefined, release) };
  return { type: 'Patch', patch: { metadata: { resourceVersion, annotations } } };
}

/** The place that a VM has or was given; undefined: it needs one. */
export function keptPlacement(vm: VirtualMachineObject, zones: ReadonlySet<string>): Placement | undefined {
  const recorded = recordedPlacement(vm);
  if (exists(vm)) return placementOf(vm) ?? recorded;
  return recorded && zones.has(recorded.zoneID) ? recorded : undefined;
}
