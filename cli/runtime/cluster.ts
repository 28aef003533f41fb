/** The cluster of a process, whose VMs are watched once. */
import type { Logger } from 'pino';
import type { ApiServer, ResourceCache, VirtualMachineObject } from '../../kubernetes';
import type { Platform } from '../../platforms';
import { connectCluster } from '../connections';
import * as lazy from '../lazy';
import { watchedNamespaces, type ClusterOptions } from '../options';
import { companionWrites } from './companion-writes';

/** A cluster whose VMs are watched. */
export interface WatchedCluster {
  api: ApiServer;
  machines: ResourceCache<VirtualMachineObject>;
  /** VM Operator's own group controller acts: see `companionWrites`. */
  companion: boolean;
  /** VM Operator as a platform; `watchOnly` for a process that asks for no power operations. */
  vmOperator(watchOnly?: boolean): Platform;
  close(): Promise<void>;
}

/**
 * Begins to watch the VMs of a cluster. `companion`: VM Operator's own group controller acts, and what it owns is never written.
 *
 * @throws CliError if no API server is configured, or the kubeconfig cannot be read.
 */
export function watchCluster(options: ClusterOptions, logger: Logger, companion = false): WatchedCluster {
  const connected = connectCluster(options);
  const api = companion ? lazy.kubernetes().restrictedWrites(connected, companionWrites()) : connected;
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
    companion,
    vmOperator: (watchOnly = false) =>
      new (lazy.vmOperator().VmOperatorPlatform)({
        ...{ api, machines },
        ...{ watchOnly, companion },
        onForbidden: logOnce(
          logger,
          'Events may not be read: causes of failed power operations are not known',
        ),
        ...(namespaces && { namespaces }),
        onBroken: logBroken('events'),
      }),
    close: () => machines.stop(),
  };
}

/** Logs a message the first time it is called. */
export function logOnce(logger: Logger, message: string): (error: unknown) => void {
  let isLogged = false;
  return (error) => {
    if (!isLogged) logger.warn({ err: error }, message);
    isLogged = true;
  };
}
