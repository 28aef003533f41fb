/**
 * Publishes the zones of the simulated platform as `Zone` objects, as a vSphere Supervisor has them in each namespace. A process that places
 * VMs reads there which zones there are, and their capacity.
 *
 * ZONES-1: a Zone of another manager is never changed.
 * ZONES-2: if the API server has no such resource, nothing happens but another look now and then.
 */
import type { SimulatedInventory } from '../../api';
import {
  KubernetesError,
  RESOURCES,
  resourceCache,
  WorkQueue,
  type ApiServer,
  type KubernetesObject,
  type ResourceCache,
} from '../../kubernetes';
import { comparableSpec, zonesOf } from './zone-specs';

/** What a {@link ZonePublisher} works with. */
export interface ZonePublisherOptions {
  api: ApiServer;
  /** Absent: all namespaces. */
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

/** A Zone as the cache keeps it. */
interface SeenZone {
  isOurs: boolean;
  /** Comparable. */
  spec: string;
}

/** Runs from the start until `stop`. */
export class ZonePublisher {
  readonly #options: ZonePublisherOptions;
  readonly #zones: ResourceCache<SeenZone>;
  readonly #queue: WorkQueue;

  constructor(options: ZonePublisherOptions) {
    const { api, namespaces, isUsed, fieldManager, onError } = options;
    this.#options = options;
    this.#zones = resourceCache<SeenZone>({
      api,
      resource: RESOURCES.zones,
      optional: true,
      ...(namespaces && { namespaces }),
      trim: ({ metadata, spec }) => ({
        isOurs: metadata.managedFields?.some(({ manager }) => manager === fieldManager) ?? false,
        spec: comparableSpec(spec),
      }),
      onListenerError: (error) => onError(error, ''),
    });
    this.#queue = new WorkQueue({
      concurrency: CONCURRENCY,
      work: async (namespace) => {
        if (isUsed(namespace)) await this.#publish(namespace);
      },
      // ZONES-2
      onError: (namespace, error) => {
        if (!isAbsent(error)) onError(error, namespace);
      },
      pause: (_failures, error) => (isAbsent(error) ? ABSENT : RETRY),
    });
    this.#zones.onChange(({ key }) => this.#queue.add(key.split('/', 1)[0] ?? ''));
  }

  /** Makes sure that a namespace has the zones. */
  ensure(namespace: string): void {
    this.#queue.add(namespace);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#queue.stop(), this.#zones.stop()]);
  }

  async #publish(namespace: string): Promise<void> {
    await this.#zones.synced();
    const { api, inventory, fieldManager } = this.#options;
    const wanted = zonesOf(inventory());
    for (const [name, spec] of wanted) {
      const seen = this.#zones.get(`${namespace}/${name}`);
      if (seen && (!seen.isOurs || seen.spec === comparableSpec(spec))) continue;
      const zone: KubernetesObject = { metadata: { namespace, name }, spec };
      await api.apply(RESOURCES.zones, zone, { fieldManager });
    }
    for (const [key, { isOurs }] of this.#zones.entries()) {
      const [where, name = ''] = key.split('/');
      if (where === namespace && isOurs && !wanted.has(name))
        await api.delete(RESOURCES.zones, { namespace, name });
    }
  }
}

/** Whether the API server has no such resource. */
function isAbsent(error: unknown): boolean {
  return error instanceof KubernetesError && error.isAbsent;
}
