/**
 * Finds places for VMs in zones of their namespace. What was found stands on each VM, where it counts as taken room for every later placement
 * of every process. A preview finds the same places, and writes nothing.
 */
import { parseQuantity, readResource, type Placement } from '../../api';
import {
  KubernetesError,
  RESOURCES,
  type ApiServer,
  type KubernetesObject,
  type Resource,
  type VirtualMachineObject,
} from '../../kubernetes';
import {
  mistakes,
  solvePlacement,
  STOPPED_BY_CLOCK,
  type Placed as Found,
  type PlacedVm,
  type PlacementAnswer,
  type PlacementProblem,
  type PlacementVm,
  type PlacementZone,
  type Solve,
} from '../../placement';
import { PlatformError, type PlaceOptions } from '../platform';
import { type PlacementRequest } from '../../contract';
import { PLACEMENT, placementText, recordedPlacement } from './annotations';
import { isUnconfirmed, keptPlacement } from './decide';
import { platformError } from './errors';
import { exists, placementOf } from './observe';
import { zoneOf, zoneOfAvailabilityZone } from './zones';

/** Label that pins a VM to a zone. */
const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** A VM that is to be placed. */
export interface Candidate {
  request: PlacementRequest;
  object: VirtualMachineObject;
}

/** Places that were decided together, and the zones that they were decided on. */
export interface Placed {
  /** By the uid of the VM. */
  placements: Map<string, Placement>;
  /** Uids of VMs that had no place before. */
  fresh: Set<string>;
  zones: Set<string>;
  /** What is to be said of a VM's place, by its uid. */
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

/** Lists a resource, of a namespace or as a whole; undefined where the server does not know it. */
export type Lister = (resource: Resource, namespace?: string) => Promise<KubernetesObject[] | undefined>;

/** What VMs are placed into. */
interface Room {
  zones: PlacementZone[];
  /** Memory in bytes that VMs of each class ask for; empty where no zone has a limit. */
  sizes: ReadonlyMap<string, number>;
}

/** The places of VMs that have one, and their zones; undefined: not all have one that can be relied on. */
export async function keptPlaces(
  api: ApiServer,
  namespace: string,
  candidates: readonly Candidate[],
  options: PlaceOptions,
  signal?: AbortSignal,
): Promise<Placed | undefined> {
  const mayBeKept = ({ object }: Candidate): boolean =>
    (exists(object) || recordedPlacement(object) !== undefined) && !isUnconfirmed(object, options);
  if (!candidates.every(mayBeKept)) return undefined;
  const zones = new Set(((await zonesOf(listerOf(api, signal), namespace)) ?? []).map(({ name }) => name));
  const { placements, fresh } = sortOut(candidates, zones);
  if (fresh.length > 0) return undefined;
  return { placements, zones, fresh: new Set(), notes: new Map(), unplaced: new Map() };
}

/**
 * Finds a zone for each of `candidates` that has none, next to the `others`. Affinity rules over zones hold. Of those over hosts, which cannot
 * be seen, VMs that belong together come into one zone; the rest is left to vSphere, and the notes say so.
 *
 * @throws PlatformError `NoCapacity` with what conflicts or is missing.
 */
export async function choosePlaces(
  api: ApiServer,
  { namespace, candidates, others, options, solve }: Placing,
  signal?: AbortSignal,
): Promise<Placed> {
  const list = listerOf(api, signal);
  const found = (await zonesOf(list, namespace)) ?? [];
  const zones = new Set(found.map(({ name }) => name));
  const room = { zones: found, sizes: await sizesIn(list, namespace, found) };
  const { placements, fresh, kept } = sortOutChecked(candidates, others, room, options);
  const taken: Placed = { placements, zones, fresh: new Set(), notes: new Map(), unplaced: new Map() };
  if (fresh.length === 0) return taken;
  const { seed } = options;
  const problem = {
    ...problemOf(room, fresh, [...others, ...kept]),
    ...(seed !== undefined && { seed }),
  };
  const answer = answerWithout(namespace, room, fresh) ?? (await solved(problem, solve, signal));
  if (answer.type !== 'Placed') throw new PlatformError('NoCapacity', answer.message);
  for (const { uid, placement } of answer.placements) {
    placements.set(uid, placement);
    taken.fresh.add(uid);
  }
  for (const { uid, message } of answer.unplaced ?? []) taken.unplaced.set(uid, message);
  return { ...taken, notes: notesOf(answer) };
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

/** Finds places for VMs of one namespace; undefined where the server has no zones of either kind. `caller` is who would ask. */
export type Preview = (
  requests: readonly PlacementRequest[],
  caller: string,
) => Promise<PlacementAnswer | undefined>;

/**
 * Finds the places that {@link choosePlaces} would find beside `machines`, and writes nothing: what one call has found counts in the next
 * ones. It rejects with what `list` rejects with.
 */
export function previewPlaces(list: Lister, machines: readonly VirtualMachineObject[]): Preview {
  const standing = new Map(machines.map((object) => [object.metadata.uid ?? '', object]));
  const rooms = new Map<string, Promise<Room | undefined>>();
  const roomOf = async (namespace: string): Promise<Room | undefined> => {
    const zones = await zonesOf(list, namespace);
    return zones && { zones, sizes: await sizesIn(list, namespace, zones) };
  };
  return async (requests, caller) => {
    const candidates = requests.flatMap((request): Candidate[] => {
      const object = standing.get(request.vm.uid);
      return object ? [{ request, object }] : [];
    });
    const namespace = requests[0]?.vm.namespace ?? '';
    const reading = rooms.get(namespace) ?? roomOf(namespace);
    rooms.set(namespace, reading);
    const room = await reading;
    if (!room) return undefined;
    const { placements, fresh } = sortOut(candidates, new Set(room.zones.map(({ name }) => name)));
    const asked = new Set(fresh.map(({ request }) => request.vm.uid));
    const there = [...standing.values()].filter(
      ({ metadata }) => metadata.namespace === namespace && !asked.has(metadata.uid ?? ''),
    );
    const answer = answerWithout(namespace, room, fresh) ?? solvePlacement(problemOf(room, fresh, there));
    if (answer.type !== 'Placed') return answer;
    for (const { uid, placement } of answer.placements) placements.set(uid, placement);
    const all = candidates.flatMap(({ request: { vm }, object }) => {
      const placement = placements.get(vm.uid);
      if (!placement) return [];
      standing.set(vm.uid, promised(object, placement, caller));
      return [{ ...vm, placement }];
    });
    return { ...answer, placements: all };
  };
}

/** The VM as it is once its place stands on it. */
function promised(object: VirtualMachineObject, placement: Placement, caller: string): VirtualMachineObject {
  const { metadata } = object;
  const annotations = {
    ...metadata.annotations,
    [PLACEMENT]: placementText(metadata.uid, placement, { caller }),
  };
  return { ...object, metadata: { ...metadata, annotations } };
}

/** Tells VMs that keep a place, by their uid, from those that need one. */
function sortOut(
  candidates: readonly Candidate[],
  zones: ReadonlySet<string>,
): { placements: Map<string, Placement>; fresh: Candidate[]; kept: VirtualMachineObject[] } {
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
 * The same under the lock: places that an earlier attempt of this call has written count only where they break nothing now. That attempt may
 * have written after it lost the lock.
 */
function sortOutChecked(
  candidates: readonly Candidate[],
  others: readonly VirtualMachineObject[],
  room: Room,
  options: PlaceOptions,
): ReturnType<typeof sortOut> {
  const sorted = sortOut(candidates, new Set(room.zones.map(({ name }) => name)));
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

/** What the solver is asked for VMs that need a place, next to those that are there. */
function problemOf(
  { zones, sizes }: Room,
  fresh: readonly Candidate[],
  there: readonly VirtualMachineObject[],
): PlacementProblem {
  return {
    vms: fresh.map(({ object, request: { vm, memory, zone, optional } }) => ({
      ...{ ...vm, ...seenOf(object), cpus: 0, memory },
      ...(zone !== undefined && { zone }),
      ...(optional && { optional }),
    })),
    placed: standing(there, sizes),
    hosts: [],
    zones,
    datastores: [],
  };
}

/** What affinity rules see of a VM; nothing of one that cannot be read. */
function seenOf(object: VirtualMachineObject): Pick<PlacementVm, 'labels' | 'affinity'> {
  const { read } = readResource(object);
  const affinity = read?.kind === 'VirtualMachine' ? read.object.affinity : [];
  return { labels: object.metadata.labels ?? {}, affinity };
}

/** The VMs whose zone is decided, in order of name: the cache has them in the order in which they came. */
function standing(objects: readonly VirtualMachineObject[], sizes: ReadonlyMap<string, number>): PlacedVm[] {
  return objects
    .flatMap((object): PlacedVm[] => {
      const { namespace = '', name, uid = '' } = object.metadata;
      const placement = placeOf(object);
      const memory = sizes.get(object.spec.className ?? '') ?? 0;
      return placement
        ? [{ ...{ namespace, name, uid, ...seenOf(object), cpus: 0, memory, placement } }]
        : [];
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Where a VM is or will be, as far as anybody has decided. */
function placeOf(vm: VirtualMachineObject): Placement | undefined {
  const pin = vm.metadata.labels?.[ZONE_LABEL];
  const decided = exists(vm) ? placementOf(vm) : recordedPlacement(vm);
  return decided ?? (pin === undefined ? undefined : { zoneID: pin });
}

/** Of each VM the rules over hosts that somebody else has to keep, and whether the clock ended the search. */
export function notesOf({
  placements,
  rules,
  search,
}: Pick<Found, 'placements' | 'rules' | 'search'>): Map<string, string> {
  const left = new Map<string, string[]>();
  for (const { vm, path, outcome } of rules)
    if (outcome === 'LeftToPlatform') left.set(vm.uid, [...(left.get(vm.uid) ?? []), path]);
  const notes = new Map(
    [...left].map(([uid, paths]) => [uid, `hosts are left to vSphere: ${paths.join(', ')}`]),
  );
  if (search.stoppedByClock)
    for (const { uid } of placements) {
      const said = notes.get(uid);
      notes.set(uid, said === undefined ? STOPPED_BY_CLOCK : `${said}; ${STOPPED_BY_CLOCK}`);
    }
  return notes;
}

/**
 * The zones that a namespace may use: its own `Zone` objects, or on older set-ups what the `AvailabilityZone` objects say of it; undefined
 * where the server knows neither.
 */
async function zonesOf(list: Lister, namespace: string): Promise<PlacementZone[] | undefined> {
  const zones = await list(RESOURCES.zones, namespace);
  if (zones && zones.length > 0) return zones.flatMap((zone) => zoneOf(zone) ?? []);
  const shared = await list(RESOURCES.availabilityZones);
  if (!zones && !shared) return undefined;
  return (shared ?? []).flatMap((zone) => zoneOfAvailabilityZone(zone, namespace) ?? []);
}

/** Sizes matter where a zone has a limit. */
async function sizesIn(
  list: Lister,
  namespace: string,
  zones: readonly PlacementZone[],
): Promise<Map<string, number>> {
  const limited = zones.some(({ memory }) => memory !== undefined);
  const classes = limited ? await list(RESOURCES.virtualMachineClasses, namespace) : undefined;
  return new Map((classes ?? []).map((each) => [each.metadata.name, memoryOf(each)]));
}

/** A class that says nothing readable asks for nothing. */
function memoryOf({ spec }: KubernetesObject): number {
  const { hardware } = (spec ?? {}) as { hardware?: { memory?: string | number } };
  try {
    return parseQuantity(hardware?.memory ?? 0);
  } catch {
    return 0;
  }
}

/** Lists as the platform does. */
function listerOf(api: ApiServer, signal?: AbortSignal): Lister {
  return async (resource, namespace) => {
    try {
      const list = await api.list(resource, {
        ...(namespace !== undefined && { namespace }),
        ...(signal && { signal }),
      });
      return list.items;
    } catch (error: unknown) {
      if (error instanceof KubernetesError && error.isNotFound) return undefined;
      throw platformError(error, 'list', `${resource.plural}.${resource.group}`);
    }
  };
}

/** The answer where there is no zone, or nothing to place; undefined: the solver has to be asked. */
function answerWithout(
  namespace: string,
  { zones }: Room,
  fresh: readonly Candidate[],
): PlacementAnswer | undefined {
  if (fresh.length === 0 || zones.length > 0) return undefined;
  const search = { steps: 0 };
  const required = fresh.filter(({ request }) => !request.optional);
  const message = noZone(namespace, required.length > 0 ? required : fresh);
  if (required.length > 0)
    return { type: 'Infeasible', message, conflict: { rules: [], minimal: true }, search };
  const unplaced = fresh.map(({ request: { vm } }) => ({
    ...vm,
    message: noZone(namespace, [{ request: { vm } }]),
  }));
  const score = { total: 1, preferred: { terms: 0, kept: 0, broken: 0, weight: 0 }, spread: 1, load: 1 };
  return { type: 'Placed', placements: [], unplaced, score, rules: [], search };
}

function noZone(namespace: string, vms: readonly { request: Pick<PlacementRequest, 'vm'> }[]): string {
  const names = vms.map(({ request: { vm } }) => `${namespace}/${vm.name}`).join(', ');
  return `namespace ${namespace} may use no zone, so ${names} cannot be placed; give it a Zone (topology.tanzu.vmware.com)`;
}
