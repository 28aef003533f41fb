/**
 * Finds places for VMs in zones of their namespace. Each place is recorded on its VM, where it counts as taken room for every later placement
 * of every process.
 */
import type { Placement } from '../../api';
import type { ApiServer, VirtualMachineObject } from '../../kubernetes';
import { mistakes, type PlacementAnswer, type PlacementProblem, type Solve } from '../../placement';
import { PlatformError, type PlaceOptions } from '../platform';
import { recordedPlacement } from './annotations';
import { exists } from './observe';
import { isUnconfirmed, keptPlacement } from './place-patch';
import { answerWithoutZones, notesOf, problemOf, type Candidate } from './placement-problem';
import { listerOf, namesOf, roomOf, zonesOf, type Room } from './zone-room';

/** Places that were decided together, and the zones that they were decided on. */
export interface Places {
  /** By the uid of the VM. */
  placements: Map<string, Placement>;
  /** Uids of VMs that had no place before. */
  fresh: Set<string>;
  zones: Set<string>;
  /** Remarks on a VM's place, by its uid. */
  notes: Map<string, string>;
  /** Why an optional VM has no place, by its uid. */
  unplaced: Map<string, string>;
}

/** What {@link choosePlaces} decides on. */
export interface Placing {
  namespace: string;
  /** All of that namespace. */
  candidates: readonly Candidate[];
  /** Every other VM of the namespace. */
  others: readonly VirtualMachineObject[];
  options: PlaceOptions;
  solve: Solve;
}

/** The places of VMs that have one, and their zones; undefined: not all have one that is certain. */
export async function keptPlaces(
  api: ApiServer,
  namespace: string,
  candidates: readonly Candidate[],
  options: PlaceOptions,
  signal?: AbortSignal,
): Promise<Places | undefined> {
  const mayBeKept = ({ object }: Candidate): boolean =>
    (exists(object) || recordedPlacement(object) !== undefined) && !isUnconfirmed(object, options);
  if (!candidates.every(mayBeKept)) return undefined;
  const zones = namesOf((await zonesOf(listerOf(api, signal), namespace)) ?? []);
  const { placements, fresh } = keptAndFresh(candidates, zones);
  if (fresh.length > 0) return undefined;
  return { placements, zones, fresh: new Set(), notes: new Map(), unplaced: new Map() };
}

/**
 * Finds a zone for each of `candidates` that has none, next to the `others`. Affinity rules over zones hold. Hosts cannot be seen, so VMs that
 * belong on one host come into one zone; the rest of the rules over hosts is left to vSphere, and the notes say so.
 *
 * @throws PlatformError `NoCapacity` with what conflicts or is missing; `Permanent` when the solver fails.
 */
export async function choosePlaces(
  api: ApiServer,
  { namespace, candidates, others, options, solve }: Placing,
  signal?: AbortSignal,
): Promise<Places> {
  const room = (await roomOf(listerOf(api, signal), namespace)) ?? { zones: [], sizes: new Map() };
  const zones = namesOf(room.zones);
  const { placements, fresh, kept } = checkedKeptAndFresh(candidates, others, room, options);
  const places: Places = { placements, zones, fresh: new Set(), notes: new Map(), unplaced: new Map() };
  if (fresh.length === 0) return places;
  const { seed } = options;
  const problem = {
    ...problemOf(room, fresh, [...others, ...kept]),
    ...(seed !== undefined && { seed }),
  };
  const answer = answerWithoutZones(namespace, room, fresh) ?? (await solved(problem, solve, signal));
  if (answer.type !== 'Placed') throw new PlatformError('NoCapacity', answer.message);
  for (const { uid, placement } of answer.placements) {
    placements.set(uid, placement);
    places.fresh.add(uid);
  }
  for (const { uid, message } of answer.unplaced ?? []) places.unplaced.set(uid, message);
  return { ...places, notes: notesOf(answer) };
}

async function solved(
  problem: PlacementProblem,
  solve: Solve,
  signal: AbortSignal | undefined,
): Promise<PlacementAnswer> {
  try {
    return await solve(problem, signal);
  } catch (error: unknown) {
    signal?.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    throw new PlatformError('Permanent', message, undefined, { cause: error });
  }
}

/** VMs that keep a place, by their uid, and those that need one. */
interface KeptAndFresh {
  placements: Map<string, Placement>;
  fresh: Candidate[];
  kept: VirtualMachineObject[];
}

/** Tells VMs that keep a place from those that need one. */
export function keptAndFresh(candidates: readonly Candidate[], zones: ReadonlySet<string>): KeptAndFresh {
  const placements = new Map<string, Placement>();
  const fresh: Candidate[] = [];
  const kept: VirtualMachineObject[] = [];
  for (const candidate of candidates) {
    const placement = keptPlacement(candidate.object, zones);
    if (placement) {
      placements.set(candidate.request.vm.uid, placement);
      kept.push(candidate.object);
    } else fresh.push(candidate);
  }
  return { placements, fresh, kept };
}

/**
 * The same under the lock. Places that an earlier attempt of this call wrote count only if they break nothing now: that attempt may have
 * written them after it lost the lock.
 */
function checkedKeptAndFresh(
  candidates: readonly Candidate[],
  others: readonly VirtualMachineObject[],
  room: Room,
  options: PlaceOptions,
): KeptAndFresh {
  const sorted = keptAndFresh(candidates, namesOf(room.zones));
  const doubtful = candidates.filter(
    ({ request: { vm }, object }) => sorted.placements.has(vm.uid) && isUnconfirmed(object, options),
  );
  if (doubtful.length === 0) return sorted;
  const { placements, fresh, kept } = sorted;
  const sure = kept.filter((object) => !isUnconfirmed(object, options));
  const places = doubtful.flatMap(({ request: { vm } }) => {
    const placement = placements.get(vm.uid);
    return placement ? [{ ...vm, placement }] : [];
  });
  if (mistakes(problemOf(room, doubtful, [...others, ...sure]), places).length === 0) return sorted;
  for (const { request } of doubtful) placements.delete(request.vm.uid);
  return { placements, fresh: [...fresh, ...doubtful], kept: sure };
}
