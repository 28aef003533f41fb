/** Finds the places that VMs would get, and writes nothing. */
import type { Placement } from '../../api';
import type { PlacementRequest } from '../../contract';
import type { VirtualMachineObject } from '../../kubernetes';
import { solvePlacement, type PlacementAnswer } from '../../placement';
import { PLACEMENT, placementText } from './annotations';
import { keptAndFresh } from './choose-places';
import { answerWithoutZones, problemOf, type Candidate } from './placement-problem';
import { namesOf, roomOf, type Lister, type Room } from './zone-room';

/** Finds places for VMs of one namespace; undefined: the server has no zones of either kind. `caller`: the one that would ask. */
export type Preview = (
  requests: readonly PlacementRequest[],
  caller: string,
) => Promise<PlacementAnswer | undefined>;

/**
 * Finds the places that `choosePlaces` would find next to `machines`. What one call found counts in the next ones. It rejects with what `list`
 * rejects with.
 */
export function previewPlaces(list: Lister, machines: readonly VirtualMachineObject[]): Preview {
  const standing = new Map(machines.map((object) => [object.metadata.uid ?? '', object]));
  const rooms = new Map<string, Promise<Room | undefined>>();
  return async (requests, caller) => {
    const candidates = requests.flatMap((request): Candidate[] => {
      const object = standing.get(request.vm.uid);
      return object ? [{ request, object }] : [];
    });
    const namespace = requests[0]?.vm.namespace ?? '';
    const reading = rooms.get(namespace) ?? roomOf(list, namespace);
    rooms.set(namespace, reading);
    const room = await reading;
    if (!room) return undefined;
    const { placements, fresh } = keptAndFresh(candidates, namesOf(room.zones));
    const asked = new Set(fresh.map(({ request }) => request.vm.uid));
    const there = [...standing.values()].filter(
      ({ metadata }) => metadata.namespace === namespace && !asked.has(metadata.uid ?? ''),
    );
    const answer =
      answerWithoutZones(namespace, room, fresh) ?? solvePlacement(problemOf(room, fresh, there));
    if (answer.type !== 'Placed') return answer;
    for (const { uid, placement } of answer.placements) placements.set(uid, placement);
    const all = candidates.flatMap(({ request: { vm }, object }) => {
      const placement = placements.get(vm.uid);
      if (!placement) return [];
      standing.set(vm.uid, withPlace(object, placement, caller));
      return [{ ...vm, placement }];
    });
    return { ...answer, placements: all };
  };
}

/** The VM as it will be when its place is recorded on it. */
function withPlace(object: VirtualMachineObject, placement: Placement, caller: string): VirtualMachineObject {
  const { metadata } = object;
  const annotations = {
    ...metadata.annotations,
    [PLACEMENT]: placementText(metadata.uid, placement, { caller }),
  };
  return { ...object, metadata: { ...metadata, annotations } };
}
