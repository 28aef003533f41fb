/**
 * Places VMs in zones of their namespace, and puts that on record on each VM, where it counts as taken room for every later placement of
 * every process.
 */
import { parseQuantity, type Placement } from '../../api';
import {
  KubernetesError,
  RESOURCES,
  type ApiServer,
  type KubernetesObject,
  type Resource,
  type VirtualMachineObject,
} from '../../kubernetes';
import { PlatformError, type PlacementRequest } from '../platform';
import { recordedPlacement } from './annotations';
import { keptPlacement } from './decide';
import { platformError } from './errors';
import { exists, nameOf, placementOf } from './observe';
import { fitZones, roomOfAvailabilityZone, roomOfZone, type ZoneNeed, type ZoneRoom } from './zones';

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
}

/**
 * Finds a place for each of `candidates`, all of one namespace, beside the `others` that are there.
 *
 * @throws PlatformError `NoCapacity` with numbers and names.
 */
export async function choosePlaces(
  api: ApiServer,
  namespace: string,
  candidates: readonly Candidate[],
  others: readonly VirtualMachineObject[],
  signal?: AbortSignal,
): Promise<Placed> {
  const rooms = await roomsOf(api, namespace, signal);
  const zones = new Set(rooms.map(({ name }) => name));
  const fresh = candidates.filter(({ object }) => !keptPlacement(object, zones));
  if (fresh.length > 0 && rooms.length === 0) throw noZone(namespace, fresh);
  const there = [
    ...others,
    ...candidates.filter((each) => !fresh.includes(each)).map(({ object }) => object),
  ];
  const limited = fresh.length > 0 && rooms.some(({ memory }) => Number.isFinite(memory));
  const sizes = limited ? await classSizes(api, namespace, signal) : new Map<string, number>();
  for (const vm of there) {
    const room = rooms.find(({ name }) => name === zoneOf(vm));
    if (!room) continue;
    room.vms += 1;
    room.memory -= sizes.get(vm.spec.className ?? '') ?? 0;
  }
  const fit = fitZones(fresh.map(needOf), rooms);
  if ('conflict' in fit) throw new PlatformError('NoCapacity', fit.conflict);
  const placements = new Map<string, Placement>();
  for (const { object } of candidates) {
    const placement = keptPlacement(object, zones) ?? fit.placements.get(nameOf(object));
    if (placement) placements.set(object.metadata.uid ?? '', placement);
  }
  return { placements, zones };
}

function needOf({ object, request }: Candidate): ZoneNeed {
  const { memory, zone } = request;
  return { vm: nameOf(object), memory, ...(zone !== undefined && { zone }) };
}

/** Where a VM is or will be, as far as anybody has decided. */
function zoneOf(vm: VirtualMachineObject): string | undefined {
  const decided = exists(vm) ? placementOf(vm) : recordedPlacement(vm);
  return decided?.zoneID ?? vm.metadata.labels?.[ZONE_LABEL];
}

/** The zones that a namespace may use: its own `Zone` objects, or on older set-ups what the `AvailabilityZone` objects say of it. */
async function roomsOf(api: ApiServer, namespace: string, signal?: AbortSignal): Promise<ZoneRoom[]> {
  const zones = await listAll(api, RESOURCES.zones, namespace, signal);
  if (zones.length > 0) return zones.flatMap((zone) => roomOfZone(zone) ?? []);
  const shared = await listAll(api, RESOURCES.availabilityZones, undefined, signal);
  return shared.flatMap((zone) => roomOfAvailabilityZone(zone, namespace) ?? []);
}

/** Memory in bytes that VMs of each class ask for. */
async function classSizes(
  api: ApiServer,
  namespace: string,
  signal?: AbortSignal,
): Promise<Map<string, number>> {
  const classes = await listAll(api, RESOURCES.virtualMachineClasses, namespace, signal);
  return new Map(classes.map((each) => [each.metadata.name, memoryOf(each)]));
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

/** Every object; none where the server does not know the resource. */
async function listAll(
  api: ApiServer,
  resource: Resource,
  namespace: string | undefined,
  signal?: AbortSignal,
): Promise<KubernetesObject[]> {
  try {
    const list = await api.list(resource, {
      ...(namespace !== undefined && { namespace }),
      ...(signal && { signal }),
    });
    return list.items;
  } catch (error: unknown) {
    if (error instanceof KubernetesError && error.isNotFound) return [];
    throw platformError(error, 'list', `${resource.plural}.${resource.group}`);
  }
}

function noZone(namespace: string, fresh: readonly Candidate[]): PlatformError {
  const names = fresh.map(({ object }) => object.metadata.name).join(', ');
  return new PlatformError(
    'NoCapacity',
    `namespace ${namespace} may use no zone, so ${names} cannot be placed; give it a Zone (topology.tanzu.vmware.com)`,
  );
}
