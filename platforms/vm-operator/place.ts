/**
 * Places VMs in zones of their namespace, and puts that on record on each VM, where it counts as taken room for every later placement of
 * every process.
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
  type PlacementVm,
  type PlacementZone,
  type RuleOutcome,
} from '../../placement';
import { PlatformError, type PlacementRequest } from '../platform';
import { recordedPlacement } from './annotations';
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
  const found = await zonesOf(api, namespace, signal);
  const zones = new Set(found.map(({ name }) => name));
  const placements = new Map<string, Placement>();
  const fresh: Candidate[] = [];
  for (const candidate of candidates) {
    const kept = keptPlacement(candidate.object, zones);
    if (kept) placements.set(candidate.request.vm.uid, kept);
    else fresh.push(candidate);
  }
  if (fresh.length === 0) return { placements, zones, notes: new Map() };
  if (found.length === 0) throw noZone(namespace, fresh);
  const kept = candidates.filter((each) => !fresh.includes(each)).map(({ object }) => object);
  const limited = found.some(({ memory }) => memory !== undefined);
  const sizes = limited ? await classSizes(api, namespace, signal) : new Map<string, number>();
  const answer = solvePlacement({
    vms: fresh.map(({ object, request: { vm, memory, zone } }) => ({
      ...{ ...vm, ...seenOf(object), cpus: 0, memory },
      ...(zone !== undefined && { zone }),
    })),
    placed: standing([...others, ...kept], sizes),
    hosts: [],
    zones: found,
    datastores: [],
  });
  if (answer.type !== 'Placed') throw new PlatformError('NoCapacity', answer.message);
  for (const { uid, placement } of answer.placements) placements.set(uid, placement);
  return { placements, zones, notes: notesOf(answer.rules) };
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

/** Of each VM the rules over hosts that somebody else has to keep. */
function notesOf(rules: readonly RuleOutcome[]): Map<string, string> {
  const left = new Map<string, string[]>();
  for (const { vm, path, outcome } of rules)
    if (outcome === 'LeftToPlatform') left.set(vm.uid, [...(left.get(vm.uid) ?? []), path]);
  return new Map([...left].map(([uid, paths]) => [uid, `hosts are left to vSphere: ${paths.join(', ')}`]));
}

/** The zones that a namespace may use: its own `Zone` objects, or on older set-ups what the `AvailabilityZone` objects say of it. */
async function zonesOf(api: ApiServer, namespace: string, signal?: AbortSignal): Promise<PlacementZone[]> {
  const zones = await listAll(api, RESOURCES.zones, namespace, signal);
  if (zones.length > 0) return zones.flatMap((zone) => zoneOf(zone) ?? []);
  const shared = await listAll(api, RESOURCES.availabilityZones, undefined, signal);
  return shared.flatMap((zone) => zoneOfAvailabilityZone(zone, namespace) ?? []);
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
  const names = fresh.map(({ object }) => `${namespace}/${object.metadata.name}`).join(', ');
  return new PlatformError(
    'NoCapacity',
    `namespace ${namespace} may use no zone, so ${names} cannot be placed; give it a Zone (topology.tanzu.vmware.com)`,
  );
}
