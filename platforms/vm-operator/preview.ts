/** Finds the places that VMs would get, and writes nothing. */
import type { PlacementRequest } from '../../contract';
import type { VirtualMachineObject } from '../../kubernetes';
import { solvePlacement, type PlacedVm, type PlacementAnswer } from '../../placement';
import { keptAndFresh } from './choose-places';
import { answerWithoutZones, problemOf, type Candidate } from './placement-problem';
import { namesOf, roomOf, type Lister, type Room } from './zone-room';

/** Finds places for VMs of one namespace; undefined: the server has no zones of either kind. */
export type Preview = (requests: readonly PlacementRequest[]) => Promise<PlacementAnswer | undefined>;

/**
 * Finds the places that `choosePlaces` would find next to `machines`, also for VMs that are not among them yet. Labels and rules are those of the
 * requests. What one call found counts in the next ones. It rejects with what `list` rejects with.
 */
export function previewPlaces(list: Lister, machines: readonly VirtualMachineObject[]): Preview {
  const standing = new Map(machines.map((object) => [object.metadata.uid ?? '', object]));
  const previewed = new Map<string, PlacedVm>();
  const rooms = new Map<string, Promise<Room | undefined>>();
  return async (requests) => {
    const candidates = requests.map((request): Candidate => ({
      request,
      object: standing.get(request.vm.uid) ?? newMachine(request),
      seen: { labels: request.labels ?? {}, affinity: request.affinity ?? [] },
    }));
    const namespace = requests[0]?.vm.namespace ?? '';
    const reading = rooms.get(namespace) ?? roomOf(list, namespace);
    rooms.set(namespace, reading);
    const room = await reading;
    if (!room) return undefined;
    const { placements, fresh } = keptAndFresh(candidates, namesOf(room.zones));
    const asked = new Set(fresh.map(({ request }) => request.vm.uid));
    const isBeside = ({ namespace: where = '', uid = '' }: { namespace?: string; uid?: string }): boolean =>
      where === namespace && !asked.has(uid);
    const there = [...standing.values()].filter(
      ({ metadata }) => isBeside(metadata) && !previewed.has(metadata.uid ?? ''),
    );
    const { placed, ...problem } = problemOf(room, fresh, there);
    const before = [...previewed.values()].filter(isBeside);
    const answer =
      answerWithoutZones(namespace, room, fresh) ??
      solvePlacement({ ...problem, placed: [...placed, ...before] });
    if (answer.type !== 'Placed') return answer;
    for (const { uid, placement } of answer.placements) {
      placements.set(uid, placement);
      const vm = problem.vms.find((each) => each.uid === uid);
      if (vm) previewed.set(uid, { ...vm, placement });
    }
    const all = candidates.flatMap(({ request: { vm } }) => {
      const placement = placements.get(vm.uid);
      return placement ? [{ ...vm, placement }] : [];
    });
    return { ...answer, placements: all };
  };
}

/** A VM that is not on the API server yet. */
function newMachine({ vm: { namespace, name, uid } }: PlacementRequest): VirtualMachineObject {
  return { metadata: { namespace, name, uid }, spec: {}, status: {} };
}
