/** A bridge on a cluster: source, status, ownership, Events and leader election put together. */
import type { ObjectName } from '../../api';
import {
  LeaderElection,
  leaderWrites,
  type ApiServer,
  type KubernetesObject,
  type Resource,
} from '../../kubernetes';
import { startBridge } from '../bridge';
import type { BridgeEvent } from '../events';
import type { Bridge, BridgeOptions } from '../options';
import { ClusterCommands } from './cluster-commands';
import { companionParts } from './companion';
import { EventRecorder } from './event-recorder';
import { clusterObjects, type ClusterObjects, type Objects } from './objects';
import { controllerParts, type BridgeParts, type PartsContext } from './parts';
import type { KubernetesSource } from './source';
import type { Stamps } from '../stamps';

/** What {@link startKubernetesBridge} needs. */
export interface KubernetesBridgeOptions extends Pick<
  BridgeOptions,
  'client' | 'taskQueue' | 'observations' | 'placesAhead' | 'logger' | 'onEvent' | 'onView'
> {
  api: ApiServer;
  /** The VMs: one cache for the whole process. */
  machines: Objects;
  /**
   * Groups own their VMs, which are VM Operator's; absent: they do. Otherwise the VMs stay as they are when their group is deleted, and have no
   * classes.
   */
  ownsMachines?: boolean;
  /** Absent: all namespaces. */
  namespaces?: readonly string[];
  /** Namespace of the Lease. */
  leaseNamespace: string;
  /** Unique name of this process, for the Lease and for Events. */
  identity: string;
  /**
   * VM Operator's own group controller acts: it links and places, and this bridge brings groups to the power state that their annotations name.
   * Only the rights of an editor of the namespace are needed; what is lost without the right to Leases and Events is logged.
   */
  companion?: {
    /** Whether VM Operator powers a VM on by itself once it has created it. */
    startsByItself: (machine: KubernetesObject) => boolean;
  };
  /** What the admission webhook of this bridge stamps objects with; absent: there is no webhook. */
  stamps?: Stamps;
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
const LEASE_NAME = 'vmgroup-bridge';

/** Starts a bridge. Waits for an API server that does not answer; resolves once everything was listed. */
export async function startKubernetesBridge(options: KubernetesBridgeOptions): Promise<KubernetesBridge> {
  const cluster = new ClusterBridge(options);
  const bridge = await cluster.start();
  return {
    ...bridge,
    known: (namespace) => cluster.known(namespace),
    leading: () => cluster.leading(),
    figures: () => cluster.figures(),
    stop: () => cluster.stop(),
  };
}

/** The message about each missing right. */
const LOST = {
  leases: 'no access to Leases: this process leads without one, so run only one bridge',
  commands: 'no access to OperatorCommands: none is carried out',
  policies: 'no access to SequencePolicies: groups name theirs in the annotation vmgroup.dev/policy-spec',
} as const;

class ClusterBridge {
  readonly #options: KubernetesBridgeOptions;
  readonly #objects: ClusterObjects;
  readonly #election: LeaderElection;
  readonly #recorder: EventRecorder;
  readonly #parts: BridgeParts;
  /** Losses that were logged. */
  readonly #lost = new Set<string>();
  readonly #commands: ClusterCommands;
  #bridge: Bridge | undefined;

  constructor(options: KubernetesBridgeOptions) {
    this.#options = options;
    this.#objects = this.#makeObjects();
    this.#election = this.#makeElection();
    this.#recorder = new EventRecorder({
      api: options.api,
      objects: this.#objects,
      isLeader: () => this.leading(),
      instance: options.identity,
      onError: this.#warn('failed to write an Event'),
    });
    const { companion } = options;
    const context = this.#partsContext();
    this.#parts = companion ? companionParts(context, companion.startsByItself) : controllerParts(context);
    this.#commands = this.#makeCommands(context.api);
  }

  async start(): Promise<Bridge> {
    this.#parts.start();
    this.#election.start();
    const { client, taskQueue, observations, placesAhead = false, logger, onView } = this.#options;
    const { source, statusStore, ownership } = this.#parts;
    this.#bridge = await startBridge({
      source,
      client,
      taskQueue,
      observations,
      statusStore,
      placesAhead,
      ownership,
      logger,
      isLeader: () => this.leading(),
      onEvent: (event) => this.#report(event),
      ...(onView && { onView }),
    });
    // Leadership may have changed since it began to read.
    this.#bridge.refresh();
    if (this.leading()) this.#commands.lead();
    return this.#bridge;
  }

  async stop(): Promise<void> {
    // Together: a command may wait for a run that only the end of the bridge refuses.
    await Promise.all([this.#commands.stop(), this.#bridge?.stop()]);
    await this.#parts.stop();
    await this.#recorder.stop();
    await this.#election.stop();
  }

  known(namespace: string): ReturnType<KubernetesSource['known']> {
    return this.#parts.source.known(namespace);
  }

  leading(): boolean {
    return this.#election.isLeader();
  }

  figures(): KubernetesFigures {
    const { groups, classes, policies } = this.#objects;
    const caches = [groups, this.#options.machines, classes, policies, this.#commands.cache];
    return {
      statusWrites: this.#parts.statusStore.writes,
      caches: Object.fromEntries(
        caches.map(({ plural, size, live, counts }) => [plural, { objects: size, live, ...counts }]),
      ),
    };
  }

  #makeCommands(writing: ApiServer): ClusterCommands {
    const { api, client, namespaces, stamps, logger } = this.#options;
    return new ClusterCommands({
      api,
      writing,
      client,
      logger,
      ...(namespaces && { namespaces }),
      ...(stamps && { stamps }),
      bridge: () => this.#bridge,
      isLeader: () => this.leading(),
      report: (event) => this.#report(event),
      onListenerError: this.#warn('failed to handle a watch event'),
      onForbidden: (error) => this.#logLoss('commands', error),
    });
  }

  #makeObjects(): ClusterObjects {
    const { api, machines, stamps, namespaces, logger, companion, ownsMachines = true } = this.#options;
    return clusterObjects({
      api,
      machines,
      withoutClasses: !ownsMachines,
      ...(stamps && { stamps }),
      ...(namespaces && { namespaces }),
      onBroken: ({ plural }: Resource, error, retryIn) => {
        logger.warn({ err: error, resource: plural, retryIn }, 'lost the watch on a resource, retrying');
        this.#waits(error);
      },
      onListenerError: this.#warn('failed to handle a watch event'),
      ...(companion && {
        companion: { onForbidden: (_resource, error) => this.#logLoss('policies', error) },
      }),
    });
  }

  #makeElection(): LeaderElection {
    const { api, leaseNamespace, identity, companion } = this.#options;
    return new LeaderElection({
      api,
      namespace: leaseNamespace,
      name: LEASE_NAME,
      identity,
      onChange: (leading) => this.#onLeadership(leading),
      onError: this.#warn('failed to acquire or renew the lease, retrying'),
      ...(companion && { onForbidden: (error) => this.#logLoss('leases', error) }),
    });
  }

  #onLeadership(leading: boolean): void {
    const { identity, leaseNamespace, logger } = this.#options;
    const lease = `${leaseNamespace}/${LEASE_NAME}`;
    logger.info({ identity, lease }, leading ? 'leading' : 'not leading');
    if (leading) this.#parts.lead();
    this.#bridge?.refresh();
    if (leading && this.#bridge) this.#commands.lead();
  }

  #partsContext(): PartsContext {
    const { api, namespaces, logger } = this.#options;
    return {
      api: leaderWrites(api, () => this.#election.term),
      objects: this.#objects,
      logger,
      ownsMachines: this.#options.ownsMachines ?? true,
      ...(namespaces && { namespaces }),
      isLeader: () => this.leading(),
      onStatusError: (error, retryIn, group) => this.#onStatusError(error, retryIn, group),
      onStatusUnreadable: (error, { namespace, name }) =>
        logger.warn({ err: error, namespace, group: name }, 'ignored a status that cannot be read'),
      report: (happening) => this.#report({ time: Date.now(), ...happening }),
    };
  }

  #onStatusError(error: unknown, retryIn: number, group: ObjectName | undefined): void {
    const { logger } = this.#options;
    if (group) {
      logger.warn(
        { err: error, retryIn, namespace: group.namespace, group: group.name },
        'failed to write status, retrying',
      );
      return;
    }
    logger.warn({ err: error, retryIn }, 'failed to read status, retrying');
    this.#waits(error);
  }

  /** Once a process. */
  #logLoss(what: keyof typeof LOST, error: unknown): void {
    if (this.#lost.has(what)) return;
    this.#lost.add(what);
    this.#options.logger.warn({ err: error }, LOST[what]);
  }

  #report(event: BridgeEvent): void {
    this.#recorder.record(event);
    this.#options.onEvent?.(event);
  }

  #waits(error: unknown): void {
    this.#options.onWaiting?.(error instanceof Error ? error.message : String(error));
  }

  #warn(message: string): (error: unknown) => void {
    return (error) => this.#options.logger.warn({ err: error }, message);
  }
}
