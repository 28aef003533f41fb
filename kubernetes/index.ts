/** The API server's client: connection, requests, errors, Events, and caches that follow resources for as long as the process lives. */
export { ClientLoadError } from './client-node';
export { connectKubernetes, inClusterNamespace, type ConnectOptions } from './connect';
export { type ApiServer, type CallOptions, type ListOptions, type ObjectKeyParts } from './api-server';
export { isBeingDeleted, type KubernetesObject, type ObjectList, type WatchEvent } from './object';
export { emptyCache } from './empty-cache';
export { KubernetesError } from './error';
export { EventWriter, type EventWriterOptions, type ObjectEvent } from './event-writer';
export { LEADER_WRITE_TIMEOUT, LeaderElection, type LeaderElectionOptions } from './leader-election';
export {
  leaseLocks,
  LockTimeoutError,
  type HeldLock,
  type LeaseLockOptions,
  type LeaseLocks,
} from './lease-lock';
export { listObjects, listPages } from './list';
export { RESOURCES, type Resource } from './resources';
export { forbiddenIn, restrictedWrites, type AttemptedWrite, type WriteRule } from './restricted-writes';
export { resourceCache, type CacheChange, type CacheOptions, type ResourceCache } from './resource-cache';
export { timerDelay } from './clocks';
export { isOlder } from './version';
export {
  trimVirtualMachine,
  withoutLastApplied,
  virtualMachineCache,
  type ObjectCondition,
  type VirtualMachineCacheOptions,
  type VirtualMachineObject,
} from './virtual-machine';
export { doublingPause, WorkQueue, type WorkQueueOptions } from './work-queue';
