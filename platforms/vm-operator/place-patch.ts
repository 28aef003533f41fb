/**
 * The patch that a call for a place, or its release, makes of a VirtualMachine. Pure.
 *
 * VMOPERATOR-1: see power-patch.ts.
 * VMOPERATOR-2: a VM that has its place keeps it, no matter who chose it. With `hold`, a VM that VM Operator has not created is set to
 *     `PoweredOff`: if a manifest says nothing, its webhook asks for `PoweredOn`, and the VM would be powered on as soon as it is created, in no
 *     order. What an operation of ours asked for stays.
 * PLATFORM-4: the place of a VM that VM Operator has not created, and that has no power operation, is released by the last caller that asked
 *     for it. The release is recorded on the VM, and refuses an earlier call of that caller. VM Operator may be creating the VM at that moment,
 *     from the status of the group: then the VM's own zone says where it is, and it counts as placed.
 */
import type { Placement } from '../../api';
import type { VirtualMachineObject } from '../../kubernetes';
import { recordedOperation } from '../on-kubernetes';
import { lateCallMessage, PlatformError, type PlaceOptions, type ReleaseOptions } from '../platform';
import { PLACEMENT, placementText, recordedClaim, recordedPlacement } from './annotations';
import { desiredStateOf, exists, placementOf } from './observe';

/** The place of a VM, and the patch that records it; no patch if it is recorded already. */
export interface PlacePatch {
  placement: Placement;
  patch?: object;
}

/** How to place a VM. */
export interface PlaceIntent extends PlaceOptions {
  /** Where to create it; absent: it has its place, and gets no other. */
  chosen?: Placement;
  /** The zones in which VMs may be created. */
  zones: ReadonlySet<string>;
}

/**
 * The place of one version of a VM.
 *
 * @throws PlatformError `Superseded` if the caller has released the place since, PLATFORM-4; `Transient` if another caller has, and no new
 *   place was chosen.
 */
export function patchForPlace(vm: VirtualMachineObject, intent: PlaceIntent): PlacePatch {
  refuseLate(vm, intent);
  const { chosen, zones } = intent;
  // The place that another attempt of the same call wrote yields to the newer one.
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
 * Refuses a call after its release.
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
    `VirtualMachine ${namespace}/${name} lost its place meanwhile; it is placed again`,
  );
}

/**
 * Whether the place of a VM was written for this very call, by an attempt whose answer is unknown: that attempt may have lost the placement
 * lock before it could take the place back.
 */
export function isUnconfirmed(vm: VirtualMachineObject, { caller, sequence }: PlaceOptions): boolean {
  if (sequence === undefined || exists(vm) || recordedOperation(vm) || !recordedPlacement(vm)) return false;
  const claim = recordedClaim(vm);
  return claim?.caller === caller && claim.sequence === sequence;
}

/**
 * Removes the place that an attempt of this call wrote, and restores the text of the annotation `before`. Undefined: the place is not, or no
 * longer, that of the attempt.
 */
export function patchToTakeBack(
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

/** Whether the place was recorded for another call. */
function isNewClaim(vm: VirtualMachineObject, { caller, sequence }: PlaceOptions): boolean {
  if (sequence === undefined) return false;
  const claim = recordedClaim(vm);
  return claim?.caller !== caller || (claim.sequence ?? 0) < sequence;
}

/** The reply to a release. */
export type ReleaseReply =
  /** The VM keeps its place. */
  | { type: 'Kept' }
  /** The VM has no place, and a late call is refused. */
  | { type: 'Free' }
  | { type: 'Patch'; patch: object };

/** The reply for one version of a VM, PLATFORM-4. */
export function replyToRelease(vm: VirtualMachineObject | undefined, release: ReleaseOptions): ReleaseReply {
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
