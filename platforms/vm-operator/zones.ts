/**
 * The zones that a namespace may use, as the solver takes them. Pure.
 *
 * Zones and their fields: topology.tanzu.vmware.com/v1alpha1; see the reference. Their hosts cannot be seen: vSphere chooses those.
 */
import { own, parseQuantity } from '../../api';
import type { KubernetesObject } from '../../kubernetes';
import type { PlacementZone } from '../../placement';

/** A `Zone` with all that the namespace may have in it; undefined where nothing may be placed there. */
export function zoneOf(zone: KubernetesObject): PlacementZone | undefined {
  const { metadata } = zone;
  const { managedVMs, memory } = (zone.spec ?? {}) as ZoneSpec;
  const { markedForRemoval } = (zone.status ?? {}) as { markedForRemoval?: boolean };
  if (markedForRemoval === true || metadata.deletionTimestamp !== undefined) return undefined;
  return room(metadata.name, managedVMs?.poolMoIDs?.[0], memory?.limit);
}

/** The same of an `AvailabilityZone`, which is there for many namespaces. */
export function zoneOfAvailabilityZone(zone: KubernetesObject, namespace: string): PlacementZone | undefined {
  const { namespaces } = (zone.spec ?? {}) as AvailabilityZoneSpec;
  const here = own(namespaces, namespace);
  if (!here || zone.metadata.deletionTimestamp !== undefined) return undefined;
  return room(zone.metadata.name, here.poolMoIDs?.[0] ?? here.poolMoId, undefined);
}

interface ZoneSpec {
  managedVMs?: { poolMoIDs?: string[] };
  memory?: { limit?: string | number };
}

interface AvailabilityZoneSpec {
  namespaces?: Record<string, { poolMoIDs?: string[]; poolMoId?: string }>;
}

function room(name: string, pool: string | undefined, limit: string | number | undefined): PlacementZone {
  const memory = bytes(limit);
  return { name, ...(pool !== undefined && { pool }), ...(memory !== undefined && { memory }) };
}

/** What cannot be read, or is nothing, is no limit. */
function bytes(limit: string | number | undefined): number | undefined {
  try {
    return limit === undefined ? undefined : parseQuantity(limit) || undefined;
  } catch {
    return undefined;
  }
}
