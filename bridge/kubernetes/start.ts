/** A bridge on a cluster: source, status, ownership, Events and leader election put together. */
import { POLICY_ANNOTATION, type ObjectName } from '../../api';
import { LeaderElection, type ApiServer, type KubernetesObject } from '../../kubernetes';
import { startBridge } from '../bridge';
import { groupObject, type BridgeEvent, type EventReason } from '../events';
import { objectKey } from '../manifests';
import type { Bridge, BridgeOptions } from '../options';
import type { Ownership } from '../ownership';
import { ContestedStatus } from './contested-status';
import { EventRecorder } from './event-recorder';
import { clusterObjects, type ClusterObjects, type Objects } from './objects';
import { DanglingOwners, kubernetesOwnership, OwnedObjects } from './ownership';
import { kubernetesSource, type KubernetesSource } from './source';
import { kubernetesStatusStore, type KubernetesStatusStore } from './stored-status';

/** What {@link startKubernetesBridge} needs. */
export interface KubernetesBridgeOptions extends Pick<
  BridgeOptions,
  'client' | 'taskQueue' | 'observations' | 'placesAhead' | 'logger' | 'onEvent' | 'onView'
> {
  api: ApiServer;
  /** The VMs: one cache for the whole process. */
  machines: Objects;
  /** Absent: all namespaces. */
  namespaces?: readonly string[];
  /** Namespace of the Lease. */
  leaseNamespace: string;
  /** Unique name of this process, for the Lease and for Events. */
  identity: string;
  /** Called when the start has to wait, with what cannot be read. */
  onWaiting?: (why: string) => void;
}

/** A bridge on a cluster. */
export interface KubernetesBridge extends Bridge {
  /** The valid objects of a namespace, for admission. */
  known: KubernetesSource['known'];
  /** Whether this process leads: it alone writes. */
  leading(): boolean;
  /** Counts since the start, and sizes, for metrics. */
  figures(): KubernetesFigures;
}

/** See {@link KubernetesBridge.figures}. */
export interface KubernetesFigures {
  statusWrites: number;
  /** By plural of the resource. */
  caches: Record<
    string,
    { objects: number; live: boolean; lists: number; watches: number; failures: number }
  >;
}

/** Name of the Lease. */
export const LEASE_NAME = 'vmgroup-bridge';

/** Starts a bridge. Waits for an API server that does not answer; resolves once everything was listed. */
export async function startKubernetesBridge(options: KubernetesBridgeOptions): Promise<KubernetesBridge> {
  const cluster = new ClusterBridge(options);
  const bridge = await cluster.start();
  return {
    ...bridge,
    known: (namespace) => cluster.source.known(namespace),
    leading: () => cluster.leading(),
    figures: () => cluster.figures(),
    stop: () => cluster.stop(),
  };
}

class ClusterBridge {
  readonly source: KubernetesSource;
  readonly #options: KubernetesBridgeOptions;
  readonly #objects: ClusterObjects;
  readonly #election: LeaderElection;
  readonly #statusStore: KubernetesStatusStore;
  readonly #recorder: EventRecorder;
  readonly #dangling: DanglingOwners;
  readonly #ownership: Ownership;
  #bridge: Bridge | undefined;

  constructor(options: KubernetesBridgeOptions) {
    this.#options = options;
    this.#objects = this.#makeObjects();
    this.source = kubernetesSource(this.#objects);
    this.#election = this.#makeElection();
    this.#statusStore = this.#makeStatusStore();
    this.#recorder = new EventRecorder({
      api: options.api,
      objects: this.#objects,
      isLeader: () => this.leading(),
      instance: options.identity,
      onError: this.#warn('failed to write an Event'),
    });
    const owned = new OwnedObjects(this.#objects);
    this.#dangling = this.#makeDanglingOwners(owned);
    this.#ownership = this.#makeOwnership(owned);
    new ContestedStatus(
      this.#objects.groups,
      () => this.leading(),
      (group, message) => this.#reportWarning('StatusContested', group, message),
    );
  }

  async start(): Promise<Bridge> {
    this.#dangling.start();
    this.#election.start();
    const { client, taskQueue, observations, placesAhead = false, logger, onView } = this.#options;
    this.#bridge = await startBridge({
      source: this.source,
      client,
      taskQueue,
      observations,
      statusStore: this.#statusStore,
      placesAhead,
      isLeader: () => this.leading(),
      ownership: this.#ownership,
      logger,
      onEvent: (event) => this.#report(event),
      ...(onView && { onView }),
    });
    return this.#bridge;
  }

  async stop(): Promise<void> {
    await this.#bridge?.stop();
    await this.#dangling.stop();
    await this.#recorder.stop();
    await this.#election.stop();
  }

  leading(): boolean {
    return this.#election.isLeader();
  }

  figures(): KubernetesFigures {
    const { groups, classes, policies } = this.#objects;
    const caches = [groups, this.#options.machines, classes, policies];
    return {
      statusWrites: this.#statusStore.writes,
      caches: Object.fromEntries(
        caches.map(({ plural, size, live, counts }) => [plural, { objects: size, live, ...counts }]),
      ),
    };
  }

  #makeObjects(): ClusterObjects {
    const { api, machines, namespaces, logger } = this.#options;
    return clusterObjects({
      api,
      machines,
      ...(namespaces && { namespaces }),
      onBroken: ({ plural }, error, retryIn) => {
        logger.warn({ err: error, resource: plural, retryIn }, 'lost the watch on a resource, retrying');
        this.#waits(error);
      },
      onListenerError: this.#warn('failed to handle a watch event'),
    });
  }

  #makeElection(): LeaderElection {
    const { api, leaseNamespace, identity } = this.#options;
    return new LeaderElection({
      api,
      namespace: leaseNamespace,
      name: LEASE_NAME,
      identity,
      onChange: (leading) => this.#onLeadership(leading),
      onError: this.#warn('failed to acquire or renew the lease, retrying'),
    });
  }

  #onLeadership(leading: boolean): void {
    const { identity, leaseNamespace, logger } = this.#options;
    const lease = `${leaseNamespace}/${LEASE_NAME}`;
    logger.info({ identity, lease }, leading ? 'leading' : 'not leading');
    if (leading) {
      this.#statusStore.lead();
      this.#dangling.look();
    }
    this.#bridge?.refresh();
  }

  #makeStatusStore(): KubernetesStatusStore {
    const { api, namespaces, logger } = this.#options;
    return kubernetesStatusStore({
      api,
      groups: this.#objects.groups,
      ...(namespaces && { namespaces }),
      isLeader: () => this.leading(),
      onError: (error, retryIn, group) => {
        if (group) {
          logger.warn({ err: error, retryIn, group: objectKey(group) }, 'failed to write status, retrying');
          return;
        }
        logger.warn({ err: error, retryIn }, 'failed to read status, retrying');
        this.#waits(error);
      },
    });
  }

  #makeDanglingOwners(owned: OwnedObjects): DanglingOwners {
    return new DanglingOwners({
      api: this.#options.api,
      objects: this.#objects,
      owned,
      isLeader: () => this.leading(),
      deletionOf: (group) => deletionOf(this.source, group),
      onRemoved: ({ resource: { kind }, object: { metadata } }, group) =>
        this.#options.logger.warn(
          { kind, namespace: metadata.namespace, name: metadata.name, group },
          'removed the owner reference to a group that is gone',
        ),
      onError: this.#warn('failed to remove owner references to groups that are gone, retrying'),
    });
  }

  #makeOwnership(owned: OwnedObjects): Ownership {
    return kubernetesOwnership({
      api: this.#options.api,
      objects: this.#objects,
      owned,
      isLeader: () => this.leading(),
      deletionOf: (group) => deletionOf(this.source, group),
      onGivenUp: (group, message) => {
        this.#options.logger.warn({ group: objectKey(group) }, message);
        this.#reportWarning('PowerStateContested', group, message);
      },
    });
  }

  #report(event: BridgeEvent): void {
    this.#recorder.record(event);
    this.#options.onEvent?.(event);
  }

  #reportWarning(reason: EventReason, group: ObjectName, message: string): void {
    this.#report({ time: Date.now(), type: 'Warning', reason, object: groupObject(group), message });
  }

  #waits(error: unknown): void {
    this.#options.onWaiting?.(error instanceof Error ? error.message : String(error));
  }

  #warn(message: string): (error: unknown) => void {
    return (error) => this.#options.logger.warn({ err: error }, message);
  }
}

/** What the policy of a group that is being deleted says about its members. */
function deletionOf(source: KubernetesSource, { metadata }: KubernetesObject): 'Orphan' | 'Cascade' {
  const named = metadata.annotations?.[POLICY_ANNOTATION] || 'default';
  const policy = source.known(metadata.namespace ?? '').policies.find(({ name }) => name === named);
  return policy?.spec.deletion ?? 'Orphan';
}
