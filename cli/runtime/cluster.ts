/** The cluster of a process, whose VMs are watched once. */
import type { Logger } from 'pino';
import type { ApiServer, ResourceCache, VirtualMachineObject } from '../../kubernetes';
import type { Platform } from '../../platforms';
import { connectCluster } from '../connections';
import * as lazy from '../lazy';
import { watchedNamespaces, type ClusterOptions } from '../options';

/** A cluster whose VMs are watched. */
export interface WatchedCluster {
  api: ApiServer;
  machines: ResourceCache<VirtualMachineObject>;
  /** VM Operator as a platform; `watchOnly` for a process that asks for no power operations. */
  vmOperator(watchOnly?: boolean): Platform;
  close(): Promise<void>;
}

/**
 * Begins to watch the VMs of a cluster.
 *
 * @throws CliError if no API server is configured, or the kubeconfig cannot be read.
 */
export function watchCluster(options: ClusterOptions, logger: Logger): WatchedCluster {
  const api = connectCluster(options);
  const namespaces = watchedNamespaces(options);
  const logBroken = (resource: string) => (error: unknown, retryIn: number) =>
    logger.warn({ err: error, resource, retryIn }, 'lost the watch on a resource, retrying');
  const machines = lazy.kubernetes().virtualMachineCache({
    api,
    ...(namespaces && { namespaces }),
    onBroken: logBroken('virtualmachines'),
    onListenerError: (error) => logger.error({ err: error }, 'failed to handle a watch event'),
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
        onBroken: logBroken('events'),
      }),
    close: () => machines.stop(),
  };
}
