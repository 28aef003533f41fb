/** The bridge on a folder of manifests. */
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Bridge, BridgeOptions } from '../../bridge';
import type { Observers } from '../../platforms';
import type { TemporalTarget } from '../../worker';
import type { DataFolder } from '../data-folder';
import * as lazy from '../lazy';
import { logOnce, type WatchedCluster } from './cluster';

/** A running bridge. */
export interface RunningBridge {
  bridge: Bridge;
  views: Bridge['views'];
  /** Why the views are not up to date; undefined: they are. */
  behind(): string | undefined;
  /** Whether this process looks at runs; what another one knows of them is old. */
  leading(): boolean;
  stop(): Promise<void>;
}

/** Options of {@link startFolderBridge}. */
export interface FolderBridgeOptions {
  /** Files and folders of manifests. */
  paths: string[];
  folder: DataFolder;
  client: Client;
  taskQueue?: string;
  /** The server of the client, for those who read the status on this machine; absent: not named. */
  target?: TemporalTarget;
  observers: Observers;
  logger: Logger;
  /** The cluster that has the VMs; absent: the manifests have them. */
  cluster?: WatchedCluster;
  /** Of the cluster; absent: all. */
  namespaces?: string[] | undefined;
  onEvent?: NonNullable<BridgeOptions['onEvent']>;
  onView?: NonNullable<BridgeOptions['onView']>;
}

/** Starts a bridge on manifests. It keeps status in the data folder, and accepts requests for runs there. */
export async function startFolderBridge(options: FolderBridgeOptions): Promise<RunningBridge> {
  const { folder, logger, observers, target, onEvent, onView } = options;
  const { fileStatusStore, startBridge, watchRequests } = lazy.bridge();
  const statusStore = fileStatusStore(folder.status, (error) =>
    logger.error({ err: error }, 'failed to write status'),
  );
  const bridge = await startBridge({
    source: sourceOf(options),
    client: options.client,
    taskQueue: options.taskQueue ?? lazy.worker().TASK_QUEUE,
    ...(target && { temporalFlags: lazy.worker().temporalFlags(target) }),
    observations: lazy.platforms().observationsOf(observers),
    statusStore,
    logger,
    ...(onEvent && { onEvent }),
    ...(onView && { onView }),
  });
  const requests = await watchRequests(
    folder.requests,
    (request) => bridge.ask(request),
    (reason) => logger.warn({ reason }, 'refused a request for a run'),
  );
  return {
    bridge,
    views: () => bridge.views(),
    behind: () => behind(bridge),
    leading: () => true,
    stop: async () => {
      await requests.stop();
      await bridge.stop();
      await statusStore.flush();
    },
  };
}

/** Why a bridge that is not ready shows what may be old. */
export function behind(bridge: Bridge): string | undefined {
  const { ready, message } = bridge.ready();
  return ready ? undefined : message;
}

/** The manifests, with the VMs of the cluster if there is one. */
function sourceOf({
  paths,
  folder,
  cluster,
  namespaces,
  logger,
}: FolderBridgeOptions): BridgeOptions['source'] {
  const { directorySource, joinedSource } = lazy.bridge();
  const source = directorySource({
    paths,
    lastValidFile: folder.lastValid,
    ignore: [folder.dir],
    onWarning: (message) => logger.warn(message),
  });
  if (!cluster) return source;
  const { resourceCache, RESOURCES } = lazy.kubernetes();
  const groups = resourceCache({
    api: cluster.api,
    resource: RESOURCES.virtualMachineGroups,
    optional: true,
    trim: ({ metadata: { name, namespace, uid }, spec }) => ({
      metadata: { name, ...(namespace !== undefined && { namespace }), ...(uid !== undefined && { uid }) },
      spec,
    }),
    ...(namespaces && { namespaces }),
    onBroken: (error, retryIn) =>
      logger.warn(
        { err: error, resource: 'virtualmachinegroups', retryIn },
        'lost the watch on a resource, retrying',
      ),
    onForbidden: logOnce(
      logger,
      'groups of the cluster may not be read: that one of them has spec.powerState does not show',
    ),
  });
  return joinedSource({ folder: source, machines: cluster.machines, here: cluster.type, groups });
}
