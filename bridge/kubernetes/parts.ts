/** What differs between a bridge that is the group controller, and one that runs alongside VM Operator's. */
import type { ObjectName } from '../../api';
import type { ApiServer, KubernetesObject } from '../../kubernetes';
import type { BridgeLogger } from '../execute';
import { groupObject, type EventReason, type Happening } from '../events';
import type { Ownership } from '../ownership';
import { confirmedDeletionOf, deletionOf } from './deletion';
import { ContestedStatus } from './contested-status';
import type { ClusterObjects } from './objects';
import { DanglingOwners, kubernetesOwnership, OwnedObjects } from './ownership';
import { kubernetesSource, type KubernetesSource } from './source';
import { kubernetesStatusStore, type KubernetesStatusStore } from './stored-status';

/** What parts are made from. */
export interface PartsContext {
  /** Its writes end with the leadership of this process. */
  api: ApiServer;
  objects: ClusterObjects;
  ownsMachines: boolean;
  /** Absent: all namespaces. */
  namespaces?: readonly string[];
  isLeader: () => boolean;
  logger: BridgeLogger;
  onStatusError: (error: unknown, retryIn: number, group?: ObjectName) => void;
  onStatusUnreadable: (error: unknown, group: KubernetesObject['metadata']) => void;
  report: (happening: Happening) => void;
}

/** The parts of a bridge. */
export interface BridgeParts {
  source: KubernetesSource;
  statusStore: KubernetesStatusStore;
  ownership: Ownership;
  start(): void;
  /** This process has become the leader. */
  lead(): void;
  stop(): Promise<void>;
}

/** The parts of a bridge that is the group controller. */
export function controllerParts(context: PartsContext): BridgeParts {
  const {
    api,
    objects,
    ownsMachines,
    namespaces,
    isLeader,
    logger,
    onStatusError,
    onStatusUnreadable,
    report,
  } = context;
  const warn = (reason: EventReason, group: ObjectName, message: string): void =>
    report({ type: 'Warning', reason, object: groupObject(group), message });
  const source = kubernetesSource(objects);
  const statusStore = kubernetesStatusStore({
    api,
    groups: objects.groups,
    ...(namespaces && { namespaces }),
    isLeader,
    onError: onStatusError,
    onUnreadable: onStatusUnreadable,
  });
  const owned = new OwnedObjects(objects, ownsMachines);
  const common = { api, objects, owned, ownsMachines, isLeader };
  const dangling = new DanglingOwners({
    ...common,
    deletionOf: (group) => deletionOf(source, group),
    onRemoved: ({ resource: { kind }, object: { metadata } }, group) =>
      logger.warn(
        { kind, namespace: metadata.namespace, name: metadata.name, group },
        'removed the owner reference to a group that is gone',
      ),
    onError: (error) =>
      logger.warn({ err: error }, 'failed to remove owner references to groups that are gone, retrying'),
  });
  const ownership = kubernetesOwnership({
    ...common,
    deletionOf: (group) => confirmedDeletionOf(api, source, group),
    onGivenUp: (group, message) => {
      logger.warn({ namespace: group.namespace, group: group.name }, message);
      warn('PowerStateContested', group, message);
    },
  });
  new ContestedStatus(objects.groups, isLeader, (group, message) => warn('StatusContested', group, message));
  return {
    source,
    statusStore,
    ownership,
    start: () => dangling.start(),
    lead: () => {
      statusStore.lead();
      dangling.look();
    },
    stop: () => dangling.stop(),
  };
}
