/** The room of a namespace: its zones, and the sizes of its classes, as the API server has them. */
import { parseQuantity } from '../../api';
import {
  KubernetesError,
  RESOURCES,
  type ApiServer,
  type KubernetesObject,
  type Resource,
} from '../../kubernetes';
import type { PlacementZone } from '../../placement';
import { platformError } from '../on-kubernetes';
import { zoneOf, zoneOfAvailabilityZone } from './zones';

/** Lists a resource, of a namespace or of the cluster; undefined: the server does not know it. */
export type Lister = (resource: Resource, namespace?: string) => Promise<KubernetesObject[] | undefined>;

/** What VMs are placed into. */
export interface Room {
  zones: PlacementZone[];
  /** By name of the class: memory in bytes that its VMs ask for; empty if no zone has a limit. */
  sizes: ReadonlyMap<string, number>;
}

/** The room of a namespace; undefined: the server knows neither kind of zone. */
export async function roomOf(list: Lister, namespace: string): Promise<Room | undefined> {
  const zones = await zonesOf(list, namespace);
  return zones && { zones, sizes: await sizesIn(list, namespace, zones) };
}

/**
 * The zones that a namespace may use: its own `Zone` objects, or on older set-ups what the `AvailabilityZone` objects say of it; undefined: the
 * server knows neither.
 */
export async function zonesOf(list: Lister, namespace: string): Promise<PlacementZone[] | undefined> {
  const zones = await list(RESOURCES.zones, namespace);
  if (zones && zones.length > 0) return zones.flatMap((zone) => zoneOf(zone) ?? []);
  const shared = await list(RESOURCES.availabilityZones);
  if (!zones && !shared) return undefined;
  return (shared ?? []).flatMap((zone) => zoneOfAvailabilityZone(zone, namespace) ?? []);
}

/** Names of zones. */
export function namesOf(zones: readonly PlacementZone[]): Set<string> {
  return new Set(zones.map(({ name }) => name));
}

/** Sizes matter only if a zone has a limit. */
async function sizesIn(
  list: Lister,
  namespace: string,
  zones: readonly PlacementZone[],
): Promise<Map<string, number>> {
  const limited = zones.some(({ memory }) => memory !== undefined);
  const classes = limited ? await list(RESOURCES.virtualMachineClasses, namespace) : undefined;
  return new Map((classes ?? []).map((each) => [each.metadata.name, memoryOf(each)]));
}

/** 0 for a class without a readable size. */
function memoryOf({ spec }: KubernetesObject): number {
  const { hardware } = (spec ?? {}) as { hardware?: { memory?: string | number } };
  try {
    return parseQuantity(hardware?.memory ?? 0);
  } catch {
    return 0;
  }
}

/** Lists with the rights of the platform; rejects with a `PlatformError`. */
export function listerOf(api: ApiServer, signal?: AbortSignal): Lister {
  return async (resource, namespace) => {
    try {
      const list = await api.list(resource, {
        ...(namespace !== undefined && { namespace }),
        ...(signal && { signal }),
      });
      return list.items;
    } catch (error: unknown) {
      if (error instanceof KubernetesError && error.isAbsent) return undefined;
      throw platformError(error, 'list', `${resource.plural}.${resource.group}`);
    }
  };
}
