/** The parts of `serve`, `worker` and `bridge` that work on a cluster. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Manifests } from '../../api';
import type { AdmissionServer, BridgeOptions } from '../../bridge';
import type { ApiServer, ResourceCache, VirtualMachineObject } from '../../kubernetes';
import type { Observer, Platform } from '../../platforms';
import type { Health } from '../../worker';
import { connectCluster, watchedNamespaces, type ClusterOptions } from '../connections/cluster';
import { CliError } from '../errors';
import * as lazy from '../lazy';
import { observationsOf, type RunningBridge } from './parts';

/** A cluster whose VMs are followed, once for the whole process. */
export interface FollowedCluster {
  api: ApiServer;
  machines: ResourceCache<VirtualMachineObject>;
  /** VM Operator as a platform; `watchOnly` for a process that never asks for power. */
  vmOperator(watchOnly?: boolean): Platform;
  close(): Promise<void>;
}

/**
 * Begins to follow the VMs of a cluster.
 *
 * @throws CliError where no cluster is configured.
 */
export function followCluster(options: ClusterOptions, logger: Logger): FollowedCluster {
  const api = connectCluster(options);
  const namespaces = watchedNamespaces(options);
  const machines = lazy.kubernetes().virtualMachineCache({
    api,
    ...(namespaces && { namespaces }),
    onBroken: (error, retryIn) =>
      logger.warn(
        { err: error, resource: 'virtualmachines', retryIn },
        'a resource cannot be followed, trying again',
      ),
    onListenerError: (error) => logger.error({ err: error }, 'a change of a VM could not be taken in'),
  });
  return {
    api,
    machines,
    vmOperator: (watchOnly = false) =>
      new (lazy.vmOperator().VmOperatorPlatform)({
        api,
        machines,
        watchOnly,
        ...(namespaces && { namespaces }),
        onBroken: (error, retryIn) =>
          logger.warn(
            { err: error, resource: 'events', retryIn },
            'a resource cannot be followed, trying again',
          ),
      }),
    close: () => machines.stop(),
  };
}

/** Where the admission webhook listens, and its certificate. */
export interface WebhookOptions {
  /** Left out: there is none. */
  webhookPort?: number;
  webhookHost?: string;
  webhookCert?: string;
  webhookKey?: string;
}

/** What {@link startBridgeOnCluster} needs. */
export interface BridgeOnClusterOptions {
  cluster: FollowedCluster;
  options: ClusterOptions & WebhookOptions & { leaseNamespace?: string; platform?: string };
  client: Client;
  taskQueue?: string;
  observer: Observer;
  logger: Logger;
  registry: Health['registry'];
  onEvent?: NonNullable<BridgeOptions['onEvent']>;
  /** Told why the start cannot go on for now. */
  onWaiting?: (why: string) => void;
}

/** Starts a bridge on the objects of a cluster. */
export async function startBridgeOnCluster(given: BridgeOnClusterOptions): Promise<RunningBridge> {
  const { cluster, options, client, observer, logger, onEvent } = given;
  const { startKubernetesBridge } = lazy.bridge();
  const namespaces = watchedNamespaces(options);
  const bridge = await startKubernetesBridge({
    api: cluster.api,
    machines: cluster.machines,
    ...(namespaces && { namespaces }),
    // VM Operator makes a VM of a group once the group's status says where.
    placesAhead: options.platform === 'vm-operator',
    leaseNamespace: options.leaseNamespace ?? lazy.kubernetes().inClusterNamespace() ?? 'default',
    identity: `${hostname()}_${randomUUID().slice(0, 8)}`,
    client,
    taskQueue: given.taskQueue ?? lazy.worker().TASK_QUEUE,
    observations: observationsOf(observer),
    logger,
    ...(onEvent && { onEvent }),
    ...(given.onWaiting && { onWaiting: given.onWaiting }),
  });
  lazy.worker().showFigures(given.registry, () => ({
    ready: bridge.ready().ready,
    leading: bridge.leading(),
    // Another bridge's groups are not followed.
    stuckRuns: lazy.bridge().stuckRuns(bridge.leading() ? bridge.views() : []),
    ...bridge.figures(),
  }));
  const webhook = await startWebhook(given, (namespace) => bridge.known(namespace));
  return {
    bridge,
    views: () => bridge.views(),
    stop: async () => {
      await webhook?.close();
      await bridge.stop();
    },
  };
}

/** @throws CliError where its certificate is not named. */
async function startWebhook(
  { options, logger, registry }: BridgeOnClusterOptions,
  known: (namespace: string) => Manifests,
): Promise<AdmissionServer | undefined> {
  const { webhookPort: port, webhookHost: host, webhookCert, webhookKey } = options;
  if (port === undefined) return undefined;
  if (webhookCert === undefined || webhookKey === undefined) {
    throw new CliError('the admission webhook needs a certificate: an API server calls it over HTTPS alone', [
      'name its files: --webhook-cert FILE --webhook-key FILE',
    ]);
  }
  const server = await lazy.bridge().startAdmissionServer({
    port,
    ...(host !== undefined && { host }),
    certificateFile: webhookCert,
    keyFile: webhookKey,
    known,
    onReview: lazy.worker().countReviews(registry),
    onError: (error, doing) => logger.warn({ err: error, doing }, 'the admission webhook failed'),
  });
  logger.info({ address: server.address }, 'the admission webhook listens');
  return server;
}
