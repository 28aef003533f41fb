/** A bridge on a cluster: source, status, marks, events and lease put together. */
import { POLICY_ANNOTATION } from '../../api';
import { LeaderElection, type ApiServer, type KubernetesObject } from '../../kubernetes';
import { startBridge } from '../bridge';
import type { Bridge, BridgeOptions } from '../options';
import type { BridgeEvent } from '../events';
import { groupObject } from '../events';
import { splitKey } from '../manifests';
import { eventRecorder } from './event-recorder';
import { clusterObjects, type Objects } from './objects';
import { DanglingOwners, kubernetesOwnership, OwnedObjects } from './ownership';
import { kubernetesSource, type KubernetesSource } from './source';
import { kubernetesStatusStore } from './stored-status';

/** What {@link startKubernetesBridge} needs. */
export interface KubernetesBridgeOptions extends Pick<
  BridgeOptions,
  'client' | 'taskQueue' | 'observations' | 'placesAhead' | 'logger' | 'onEvent' | 'onView'
> {
  api: ApiServer;
  /** The VMs, followed once for the whole process. */
  machines: Objects;
  /** Left out: all namespaces. */
  namespaces?: readonly string[];
  /** Namespace of the Lease. */
  leaseNamespace: string;
  /** Unique name of this process, for the Lease and for Events. */
  identity: string;
  /** Told why the start cannot go on for now: what cannot be read. */
  onWaiting?: (why: string) => void;
}

/** A bridge on a cluster. */
export interface KubernetesBridge extends Bridge {
  /** The valid objects of a namespace, for admission. */
  known: KubernetesSource['known'];
  /** Whether this process writes status and marks. */
  leading(): boolean;
  /** Counts since the start, and what is in memory, for metrics. */
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

/** Milliseconds between two warnings about one group. */
const CONTEST_PAUSE = 600_000;

/** Name of the Lease. */
export const LEASE_NAME = 'vmgroup-bridge';

/** Starts a bridge; resolves once everything was listed. An API server that is away is waited for. */
export async function startKubernetesBridge(options: KubernetesBridgeOptions): Promise<KubernetesBridge> {
  const { api, machines, namespaces, identity, leaseNamespace, logger, onEvent } = options;
  const scope = namespaces ? { namespaces } : {};
  const warn = (message: string) => (error: unknown) => logger.warn({ err: error }, message);
  const waiting = (error: unknown): void =>
    options.onWaiting?.(error instanceof Error ? error.message : String(error));
  const objects = clusterObjects({
    api,
    machines,
    ...scope,
    onBroken: ({ plural }, error, retryIn) => {
      logger.warn({ err: error, resource: plural, retryIn }, 'a resource cannot be followed, trying again');
      waiting(error);
    },
    onListenerError: warn('a change of an object could not be taken in'),
  });
  const source = kubernetesSource(objects);
  let refresh = (): void => undefined;
  const election = new LeaderElection({
    api,
    namespace: leaseNamespace,
    name: LEASE_NAME,
    identity,
    onChange: (leading) => {
      logger.info(
        { identity, lease: `${leaseNamespace}/${LEASE_NAME}` },
        leading ? 'leading' : 'not leading',
      );
      if (leading) {
        statusStore.lead();
        dangling.look();
      }
      refresh();
    },
    onError: warn('failed to acquire or renew the lease, retrying'),
  });
  const isLeader = (): boolean => election.isLeader();
  const statusStore = kubernetesStatusStore({
    api,
    groups: objects.groups,
    ...scope,
    isLeader,
    onError: (error, retryIn, group) => {
      logger.warn(
        { err: error, retryIn, ...(group && { group: `${group.namespace}/${group.name}` }) },
        group ? 'status could not be written, trying again' : 'status could not be read, trying again',
      );
      if (!group) waiting(error);
    },
  });
  const recorder = eventRecorder({
    api,
    objects,
    isLeader,
    instance: identity,
    onError: warn('an event could not be written'),
  });
  const tell = (event: BridgeEvent): void => {
    recorder.record(event);
    onEvent?.(event);
  };
  const owned = new OwnedObjects(objects);
  const dangling = new DanglingOwners({
    api,
    objects,
    owned,
    isLeader,
    deletionOf: (group) => deletionOf(source, group),
    onRemoved: ({ resource, object: { metadata } }, group) =>
      logger.warn(
        { kind: resource.kind, namespace: metadata.namespace, name: metadata.name, group },
        'removed the owner reference to a group that is gone',
      ),
    onError: warn('owner references to groups that are gone were not removed, retrying'),
  });
  const ownership = kubernetesOwnership({
    api,
    objects,
    owned,
    isLeader,
    deletionOf: (group) => deletionOf(source, group),
    onGivenUp: (group, message) => {
      logger.warn({ group: `${group.namespace}/${group.name}` }, message);
      tell({
        time: Date.now(),
        type: 'Warning',
        reason: 'PowerStateContested',
        object: groupObject(group),
        message,
      });
    },
  });
  const contested = new Map<string, number>();
  objects.groups.onChange(({ key, object }) => {
    if (!object) contested.delete(key);
    if (!object?.other?.active || !isLeader()) return;
    if (Date.now() - (contested.get(key) ?? 0) < CONTEST_PAUSE) return;
    contested.set(key, Date.now());
    const message =
      `${object.other.manager} writes the status of this group too: only one controller may act on a group. ` +
      'vmgroup doctor --for bridge tells more; see docs/how-to/beside-vm-operator.md';
    tell({
      time: Date.now(),
      type: 'Warning',
      reason: 'StatusContested',
      object: groupObject(splitKey(key)),
      message,
    });
  });
  dangling.start();
  election.start();
  const { client, taskQueue, observations, placesAhead = false, onView } = options;
  const bridge = await startBridge({
    source,
    client,
    taskQueue,
    observations,
    statusStore,
    placesAhead,
    isLeader,
    ownership,
    logger,
    onEvent: tell,
    ...(onView && { onView }),
  });
  refresh = () => bridge.refresh();
  return {
    ...bridge,
    known: (namespace) => source.known(namespace),
    leading: isLeader,
    figures: () => ({
      statusWrites: statusStore.writes,
      caches: Object.fromEntries(
        [objects.groups, machines, objects.classes, objects.policies].map((cache) => [
          cache.plural,
          { objects: cache.size, live: cache.live, ...cache.counts },
        ]),
      ),
    }),
    stop: async () => {
      await bridge.stop();
      await dangling.stop();
      await recorder.stop();
      await election.stop();
    },
  };
}

/** What the policy of a group that is being deleted says of its members. */
function deletionOf(source: KubernetesSource, { metadata }: KubernetesObject): 'Orphan' | 'Cascade' {
  const named = metadata.annotations?.[POLICY_ANNOTATION] || 'default';
  const policy = source.known(metadata.namespace ?? '').policies.find(({ name }) => name === named);
  return policy?.spec.deletion ?? 'Orphan';
}
