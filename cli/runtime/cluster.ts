/** The cluster of a process, whose VMs are watched once. */
import type { Logger } from 'pino';
import type { ApiServer, KubernetesObject, ResourceCache } from '../../kubernetes';
import type { Platform } from '../../platforms';
import { connectCluster } from '../connections';
import * as lazy from '../lazy';
import { watchedNamespaces, type ClusterOptions } from '../options';
import { companionWrites } from './companion-writes';

/** A cluster whose VMs are watched. */
export interface WatchedCluster {
  api: ApiServer;
  /** Its VMs, which are those of VM Operator or of KubeVirt. */
  machines: ResourceCache<KubernetesObject>;
  /** The platform that powers them; it is also the name by which manifests call it. */
  type: 'vm-operator' | 'kubevirt';
  /** VM Operator's own group controller acts: see `companionWrites`. */
  companion: boolean;
  /** The platform; `watchOnly` for a process that asks for no power operations. */
  platform(watchOnly?: boolean): Platform;
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
  const machines = lazy.kubernetes().virtualMachineCache({
    api,
    ...(namespaces && { namespaces }),
    onBroken: logBroken(logger, 'virtualmachines'),
    onListenerError: (error) => logger.error({ err: error }, 'failed to handle a watch event'),
  });
  return {
    api,
    machines,
    companion,
    type: 'vm-operator',
    platform: (watchOnly = false) =>
      new (lazy.vmOperator().VmOperatorPlatform)({
        api,
        machines,
        watchOnly,
        companion,
        onForbidden: logOnce(
          logger,
          'Events may not be read: causes of failed power operations are not known',
        ),
        ...(namespaces && { namespaces }),
        onBroken: logBroken(logger, 'events'),
      }),
    close: () => machines.stop(),
  };
}

/**
 * Begins to watch the VMs of KubeVirt in a cluster. `byName`: manifests of elsewhere name them. Throws as {@link watchCluster}.
 */
export function watchKubevirt(options: ClusterOptions, logger: Logger, byName = false): WatchedCluster {
  const api = connectCluster(options);
  const namespaces = watchedNamespaces(options);
  const { resourceCache, RESOURCES } = lazy.kubernetes();
  const { KubevirtPlatform, trimMachine } = lazy.kubevirt();
  const machines = resourceCache({
    api,
    resource: RESOURCES.kubevirtMachines,
    trim: trimMachine,
    ...(namespaces && { namespaces }),
    onBroken: logBroken(logger, 'virtualmachines.kubevirt.io'),
    onListenerError: (error) => logger.error({ err: error }, 'failed to handle a watch event'),
  });
  return {
    api,
    machines,
    type: 'kubevirt',
    companion: false,
    platform: () =>
      new KubevirtPlatform({
        api,
        machines,
        byName,
        ...(namespaces && { namespaces }),
        onForbidden: logOnce(
          logger,
          'Nodes may not be read: VMs of a lost node show as they were last known',
        ),
        onBroken: logBroken(logger, 'virtualmachineinstances or nodes'),
      }),
    close: () => machines.stop(),
  };
}

function logBroken(logger: Logger, resource: string): (error: unknown, retryIn: number) => void {
  return (error, retryIn) =>
    logger.warn({ err: error, resource, retryIn }, 'lost the watch on a resource, retrying');
}

/** Logs a message the first time it is called. */
export function logOnce(logger: Logger, message: string): (error: unknown) => void {
  let isLogged = false;
  return (error) => {
    if (!isLogged) logger.warn({ err: error }, message);
    isLogged = true;
  };
}
