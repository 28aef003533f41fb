/** Where a VM is placed, and the condition that says so. Pure. */
import { own, type Placement, type VirtualMachine } from '../../api';
import { condition, type UnstampedCondition } from './conditions';
import type { StatusFacts } from './facts';
import type { MemberStatus } from './view';

/** The place of a VM: as observed, as a run computed it, or as it was shown before. */
export function placementOf(
  facts: StatusFacts,
  vm: VirtualMachine,
  before: MemberStatus | undefined,
): Placement | undefined {
  const seen = facts.observe(vm)?.placement ?? vm.placed;
  // A placed VM stays placed while it exists, unless the place was given back; another VM of the same name has no place yet.
  const kept = before?.uid === vm.uid && !facts.released.has(vm.name) ? before.placement : undefined;
  const given = computedPlacement(facts, vm) ?? kept;
  if (!seen || seen.zoneID !== given?.zoneID) return seen ?? given;
  // A platform that does not report pool and datastores has the VM where it was placed in its zone.
  const { pool, datastores } = given;
  return { ...(pool !== undefined && { pool }), ...(datastores && { datastores }), ...seen };
}

/** Where a run has placed this VM, and not another one of the same name. */
function computedPlacement({ placements }: StatusFacts, vm: VirtualMachine): Placement | undefined {
  const found = own(placements, vm.name);
  if (!found) return undefined;
  const { uid = vm.uid, note: _note, ...placement } = found;
  return uid === vm.uid && placement.zoneID !== '' ? placement : undefined;
}

/** The condition `PlacementReady` of a VM with this place; undefined for a VM that needs none. */
export function placementCondition(
  facts: StatusFacts,
  vm: VirtualMachine,
  placement: Placement | undefined,
  before: MemberStatus | undefined,
): UnstampedCondition | undefined {
  if (placement) {
    const computed = computedPlacement(facts, vm) !== undefined || wasComputed(before, placement);
    return computed
      ? condition('PlacementReady', 'True', 'PlacementComputed', computedMessage(facts, vm, before))
      : condition('PlacementReady', 'True', 'AlreadyPlaced', placement.zoneID);
  }
  // A VM is placed just before it is powered on for the first time, unless the platform creates VMs only once they are placed.
  if (facts.plan?.powerState !== 'PoweredOn' && !facts.plan?.placesAhead) return undefined;
  const run = facts.driverRun ?? facts.run;
  const text = (run.phase === 'Open' && run.progress?.placement.message) || 'not placed yet';
  return condition('PlacementReady', 'False', 'Pending', text);
}

const COMPUTED = 'Placement decision is ready';

/** Includes the note of the platform on the place, which stays while the VM exists. */
function computedMessage(
  { placements }: StatusFacts,
  vm: VirtualMachine,
  before: MemberStatus | undefined,
): string {
  const old = before?.conditions.find(({ reason }) => reason === 'PlacementComputed')?.message;
  const found = own(placements, vm.name);
  if (!found || (found.uid ?? vm.uid) !== vm.uid) return old ?? COMPUTED;
  return found.note === undefined ? COMPUTED : `${COMPUTED}; ${found.note}`;
}

function wasComputed(before: MemberStatus | undefined, placement: Placement): boolean {
  const old = before?.conditions.find(({ type }) => type === 'PlacementReady');
  return old?.reason === 'PlacementComputed' && before?.placement?.zoneID === placement.zoneID;
}
