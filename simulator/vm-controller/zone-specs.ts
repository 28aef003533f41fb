/** The zones of the simulated platform as the specs of `Zone` objects. */
import type { SimulatedHost, SimulatedInventory } from '../../api';

/** What one simulated CPU counts for in the limit of a zone, which is in hertz. */
const HERTZ = 1_000_000_000;

/** The spec of a Zone, without the fields that vmgroup does not read. */
export interface ZoneSpec {
  availabilityZoneReference: { apiVersion: string; name: string };
  managedVMs: { poolMoIDs: string[] };
  /** Hertz, and bytes. */
  cpu: { limit: string };
  memory: { limit: string };
}

/** The zones of an inventory, by name: their pools, and the sums of their hosts. */
export function zonesOf({ hosts }: SimulatedInventory): Map<string, ZoneSpec> {
  const byZone = new Map<string, SimulatedHost[]>();
  for (const host of hosts) byZone.set(host.zone, [...(byZone.get(host.zone) ?? []), host]);
  return new Map([...byZone].map(([zone, its]) => [zone, specOf(zone, its)]));
}

function specOf(zone: string, hosts: readonly SimulatedHost[]): ZoneSpec {
  const sum = (of: (host: SimulatedHost) => number): number =>
    hosts.reduce((total, host) => total + of(host), 0);
  return {
    availabilityZoneReference: { apiVersion: 'topology.tanzu.vmware.com/v1alpha1', name: zone },
    managedVMs: { poolMoIDs: [...new Set(hosts.map(({ pool }) => pool))] },
    cpu: { limit: String(Math.round(sum(({ cpus }) => cpus) * HERTZ)) },
    memory: { limit: String(sum(({ memory }) => memory)) },
  };
}

/** The fields of {@link ZoneSpec} as one text for comparison. */
export function comparableSpec(spec: unknown): string {
  const { availabilityZoneReference, managedVMs, cpu, memory } = (spec ?? {}) as Partial<ZoneSpec>;
  return JSON.stringify([availabilityZoneReference?.name, managedVMs?.poolMoIDs, cpu?.limit, memory?.limit]);
}
