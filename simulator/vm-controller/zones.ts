/**
 * The zones of the simulated platform as `Zone` objects, as a vSphere Supervisor has them in each namespace: whoever places VMs reads
 * there which zones there are, and how much they hold.
 *
 * ZONES-1: a Zone that somebody else made is never touched.
 * ZONES-2: where the API server has no such resource, nothing happens but another look now and then.
 */
import type { SimulatedHost, SimulatedInventory } from '../../api';
import {
  KubernetesError,
  RESOURCES,
  resourceCache,
  WorkQueue,
  type ApiServer,
  type KubernetesObject,
} from '../../kubernetes';

/** Publishes zones. */
export interface ZonePublisher {
  /** Sees to it that a namespace has them. */
  ensure(namespace: string): void;
  stop(): Promise<void>;
}

/** What {@link publishZones} needs. */
export interface ZonePublisherOptions {
  api: ApiServer;
  /** Left out: all namespaces. */
  namespaces?: readonly string[];
  inventory: () => SimulatedInventory;
  /** Whether a namespace still needs zones. */
  isUsed: (namespace: string) => boolean;
  fieldManager: string;
  onError: (error: unknown, namespace: string) => void;
}

/** Namespaces that are worked on at the same time. */
const CONCURRENCY = 4;
/** Milliseconds before a namespace that failed is tried again. */
const RETRY = 2_000;
/** Milliseconds between two looks for the resource. */
const ABSENT = 10_000;
/** What one simulated CPU counts for in the limit of a zone, which is in hertz. */
const HERTZ = 1_000_000_000;

/** The spec of a Zone: the fields that are read of it. */
export interface ZoneSpec {
  availabilityZoneReference: { apiVersion: string; name: string };
  managedVMs: { poolMoIDs: string[] };
  /** Hertz, and bytes. */
  cpu: { limit: string };
  memory: { limit: string };
}

/** The zones of an inventory, by name: pools, and all that the hosts have. */
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

interface SeenZone {
  mine: boolean;
  spec: string;
}

/** Starts to publish. */
export function publishZones(options: ZonePublisherOptions): ZonePublisher {
  const { api, namespaces, inventory, isUsed, fieldManager, onError } = options;
  const zones = resourceCache<SeenZone>({
    ...{ api, resource: RESOURCES.zones, optional: true },
    ...(namespaces && { namespaces }),
    trim: ({ metadata, spec }) => ({
      mine: metadata.managedFields?.some(({ manager }) => manager === fieldManager) ?? false,
      spec: canonical(spec),
    }),
    onListenerError: (error) => onError(error, ''),
  });
  const queue = new WorkQueue({
    concurrency: CONCURRENCY,
    work: async (namespace) => {
      if (!isUsed(namespace)) return;
      await zones.synced();
      await publish(namespace);
    },
    // ZONES-2
    onError: (namespace, error) => {
      if (!isAbsent(error)) onError(error, namespace);
    },
    pause: (_failures, error) => (isAbsent(error) ? ABSENT : RETRY),
  });
  zones.onChange(({ key }) => queue.add(key.split('/', 1)[0] ?? ''));

  async function publish(namespace: string): Promise<void> {
    const wanted = zonesOf(inventory());
    for (const [name, spec] of wanted) {
      const seen = zones.get(`${namespace}/${name}`);
      if (seen && (!seen.mine || seen.spec === canonical(spec))) continue;
      const zone: KubernetesObject = { metadata: { namespace, name }, spec };
      await api.apply(RESOURCES.zones, zone, { fieldManager });
    }
    for (const [key, { mine }] of zones.entries()) {
      const [where, name = ''] = key.split('/');
      if (where === namespace && mine && !wanted.has(name))
        await api.delete(RESOURCES.zones, { namespace, name });
    }
  }

  return {
    ensure: (namespace) => queue.add(namespace),
    stop: async () => {
      await Promise.all([queue.stop(), zones.stop()]);
    },
  };
}

/** The API server has no such resource. */
function isAbsent(error: unknown): boolean {
  return error instanceof KubernetesError && error.isNotFound;
}

/** Our fields of a spec as one text. */
function canonical(spec: unknown): string {
  const { availabilityZoneReference, managedVMs, cpu, memory } = (spec ?? {}) as Partial<ZoneSpec>;
  return JSON.stringify([availabilityZoneReference?.name, managedVMs?.poolMoIDs, cpu?.limit, memory?.limit]);
}
