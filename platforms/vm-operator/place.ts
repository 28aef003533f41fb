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
  solvePlacement,
  type PlacedVm,
  type PlacementAnswer,
  type PlacementVm,
  type PlacementZone,
  STOPPED_BY_CLOCK,
  type Placed as Found,
} from '../../placement';
import { PlatformError, type PlacementRequest } from '../platform';
import { PLACEMENT, placementText, recordedPlacement } from './annotations';
import { keptPlacement } from './decide';
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
  zones: Set<string>;
  /** What is to be said of a VM's place, by its uid. */
  notes: Map<string, string>;
}

/** Lists a resource, of a namespace or as a whole; undefined where the server does not know it. */
export type Lister = (resource: Resource, namespace?: string) => Promise<KubernetesObject[] | undefined>;

/** What VMs are placed into. */
interface Room {
  zones: PlacementZone[];
  /** Memory in bytes that VMs of each class ask for; empty where no zone has a limit. */
  sizes: ReadonlyMap<string, number>;
}

/**
 * Finds a zone for each of `candidates`, all of one namespace, beside the `others` that are there. Affinity rules over zones hold. Of those
 * over hosts, which cannot be seen, VMs that belong together come into one zone; the rest is left to vSphere, and the notes say so.
 *
 * @throws PlatformError `NoCapacity` with what conflicts or is missing.
 */
export async function choosePlaces(
  api: ApiServer,
  namespace: string,
  candidates: readonly Candidate[],
  others: readonly VirtualMachineObject[],
  signal?: AbortSignal,
): Promise<Placed> {
  const list = listerOf(api, signal);
  const found = (await zonesOf(list, namespace)) ?? [];
  const zones = new Set(found.map(({ name }) => name));
  const { placements, fresh, kept } = sortOut(candidates, zones);
  if (fresh.length === 0) return { placements, zones, notes: new Map() };
  const room = { zones: found, sizes: await sizesIn(list, namespace, found) };
  const answer = answerFor(namespace, room, fresh, [...others, ...kept]);
  if (answer.type !== 'Placed') throw new PlatformError('NoCapacity', answer.message);
  for (const { uid, placement } of answer.placements) placements.set(uid, placement);
  return { placements, zones, notes: notesOf(answer) };
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
    const answer = answerFor(namespace, room, fresh, there);
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

/** What the solver says of VMs that need a place, beside those that are there. */
function answerFor(
  namespace: string,
  { zones, sizes }: Room,
  fresh: readonly Candidate[],
  there: readonly VirtualMachineObject[],
): PlacementAnswer {
  if (fresh.length > 0 && zones.length === 0) return noZone(namespace, fresh);
  return solvePlacement({
    vms: fresh.map(({ object, request: { vm, memory, zone } }) => ({
      ...{ ...vm, ...seenOf(object), cpus: 0, memory },
      ...(zone !== undefined && { zone }),
    })),
    placed: standing(there, sizes),
    hosts: [],
    zones,
    datastores: [],
  });
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

function noZone(namespace: string, fresh: readonly Candidate[]): PlacementAnswer {
  const names = fresh.map(({ object }) => `${namespace}/${object.metadata.name}`).join(', ');
  return {
    type: 'Infeasible',
    message: `namespace ${namespace} may use no zone, so ${names} cannot be placed; give it a Zone (topology.tanzu.vmware.com)`,
    conflict: { rules: [], minimal: true },
    search: { steps: 0 },
  };
}
