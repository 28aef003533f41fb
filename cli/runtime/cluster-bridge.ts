/** The bridge on the objects of a cluster. */
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { BridgeOptions, Stamps } from '../../bridge';
import type { KubernetesObject } from '../../kubernetes';
import type { Observers } from '../../platforms';
import type { Health } from '../../worker';
import * as lazy from '../lazy';
import { watchedNamespaces, type ClusterOptions } from '../options';
import type { WatchedCluster } from './cluster';
import { behind, type RunningBridge } from './folder-bridge';
import { startWebhook, type WebhookOptions } from './webhook';

/** Options of {@link startClusterBridge}. */
export interface ClusterBridgeOptions {
  cluster: WatchedCluster;
  options: ClusterOptions & WebhookOptions & { leaseNamespace?: string };
  /** VM Operator creates a VM of a group once the group's status holds its place. */
  placesAhead?: boolean;
  client: Client;
  taskQueue?: string;
  observers: Observers;
  logger: Logger;
  registry: Health['registry'];
  onEvent?: NonNullable<BridgeOptions['onEvent']>;
  onView?: NonNullable<BridgeOptions['onView']>;
  /** Called with the reason why the start has to wait. */
  onWaiting?: (reason: string) => void;
}

/** Starts a bridge on the objects of a cluster, with its metrics and its admission webhook. Throws as {@link startWebhook}. */
export async function startClusterBridge(given: ClusterBridgeOptions): Promise<RunningBridge> {
  const { cluster, options, client, observers, logger, onEvent, onView } = given;
  const { startKubernetesBridge, stuckRuns } = lazy.bridge();
  const namespaces = watchedNamespaces(options);
  const stamps = stampsOf(options);
  const bridge = await startKubernetesBridge({
    api: cluster.api,
    machines: cluster.machines,
    ...(cluster.type === 'kubevirt' && { ownsMachines: false }),
    ...(namespaces && { namespaces }),
    placesAhead: given.placesAhead === true,
    ...(cluster.companion && { companion: { startsByItself } }),
    leaseNamespace: options.leaseNamespace ?? lazy.kubernetes().inClusterNamespace() ?? 'default',
    identity: `${hostname()}_${randomUUID().slice(0, 8)}`,
    client,
    taskQueue: given.taskQueue ?? lazy.worker().TASK_QUEUE,
    observations: lazy.platforms().observationsOf(observers),
    logger,
    ...(stamps && { stamps }),
    ...(onEvent && { onEvent }),
    ...(onView && { onView }),
    ...(given.onWaiting && { onWaiting: given.onWaiting }),
  });
  lazy.worker().showFigures(given.registry, () => ({
    ready: bridge.ready().ready,
    leading: bridge.leading(),
    // Only the leader follows the groups.
    stuckRuns: stuckRuns(bridge.leading() ? bridge.views() : []),
    ...bridge.figures(),
  }));
  const webhook = await startWebhook(
    options,
    {
      known: (namespace) => bridge.known(namespace),
      mayCommand: lazy.bridge().commandRights(cluster.api),
      ...(stamps && { stamps }),
    },
    logger,
    given.registry,
  );
  return {
    bridge,
    views: () => bridge.views(),
    behind: () => (bridge.leading() ? behind(bridge) : 'another bridge leads: look at its board'),
    leading: () => bridge.leading(),
    stop: async () => {
      await webhook?.close();
      await bridge.stop();
    },
  };
}

/** What the webhook stamps objects with; undefined: there is none. What is wrong with its key, the webhook says. */
function stampsOf({ webhookPort, webhookKey }: WebhookOptions): Stamps | undefined {
  if (webhookPort === undefined) return undefined;
  const stamps = new (lazy.bridge().Stamps)();
  if (webhookKey !== undefined && existsSync(webhookKey)) stamps.use(readFileSync(webhookKey, 'utf8'));
  return stamps;
}

function startsByItself(machine: KubernetesObject): boolean {
  return lazy.vmOperator().startsByItself(lazy.kubernetes().trimVirtualMachine(machine));
}
