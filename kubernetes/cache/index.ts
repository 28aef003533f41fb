/** Caches that follow a resource for as long as the process lives. */
export { emptyCache } from './empty-cache';
export { resourceCache, type CacheChange, type CacheOptions, type ResourceCache } from './resource-cache';
export {
  trimVirtualMachine,
  withoutLastApplied,
  virtualMachineCache,
  type ObjectCondition,
  type VirtualMachineCacheOptions,
  type VirtualMachineObject,
} from './virtual-machine';
