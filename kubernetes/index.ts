/** The API server's client: connection, requests, errors, Events, and caches that follow resources for as long as the process lives. */
export { type ApiServer, type CallOptions, type ListOptions, type ObjectKeyParts } from './api-server';
export {
  emptyCache,
  resourceCache,
  trimVirtualMachine,
  virtualMachineCache,
  withoutLastApplied,
  type CacheChange,
  type CacheOptions,
  type ObjectCondition,
  type ResourceCache,
  type VirtualMachineCacheOptions,
  type VirtualMachineObject,
} from './cache';
export { ClientLoadError } from './client-node';
export { SteadyClock, timerDelay } from './clocks';
export { connectKubernetes, inClusterNamespace, type ConnectOptions } from './connect';
export { KubernetesError } from './error';
export { EventWriter, type EventWriterOptions, type ObjectEvent } from './event-writer';
export {
  LeaderElection,
  leaderWrites,
  leaseLocks,
  LockTimeoutError,
  type HeldLock,
  type LeaderElectionOptions,
  type LeaseLockOptions,
  type LeaseLocks,
} from './leases';
export { findListed, listObjects, listPages } from './list';
export { isBeingDeleted, type KubernetesObject, type ObjectList, type WatchEvent } from './object';
export { RESOURCES, type Resource } from './resources';
export { forbiddenIn, restrictedWrites, type AttemptedWrite, type WriteRule } from './restricted-writes';
export { NOT_SERVED } from './served-versions';
export { isLower, isOlder } from './version';
export { doublingPause, WorkQueue, type WorkQueueOptions } from './work-queue';
