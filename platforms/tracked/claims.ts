/** Places that were found for VMs and must be written. Pure. */
import type { Placement } from '../../api';
import type { PlacementRequest } from '../../contract';
import type { VmPlacement } from '../../placement';
import type { PlaceOptions } from '../platform';
import type { FoundVm } from './bindings';
import type { PlaceRecord } from './place-record';

/** A VM with the request for its place. */
export interface Asked<T extends FoundVm> {
  request: PlacementRequest;
  vm: T;
}

/** A place that was found for a VM. */
export interface Claim<T extends FoundVm> extends Asked<T> {
  placement: Placement;
  place: Omit<PlaceRecord, 'hosts' | 'at'>;
}

/** The claims of a caller on the places of an answer. */
export function claimsOf<T extends FoundVm>(
  asked: readonly Asked<T>[],
  placements: readonly VmPlacement[],
  recordOf: (vm: T) => PlaceRecord | undefined,
  { caller, sequence }: PlaceOptions,
): Claim<T>[] {
  const byUid = new Map(asked.map((each) => [each.request.vm.uid, each]));
  return placements.flatMap(({ uid, placement }) => {
    const each = byUid.get(uid);
    if (!each) return [];
    const { released } = recordOf(each.vm) ?? {};
    const place = {
      host: placement.node ?? placement.zoneID,
      caller,
      ...(sequence !== undefined && { sequence }),
      ...(released && { released }),
    };
    return [{ ...each, placement, place }];
  });
}
