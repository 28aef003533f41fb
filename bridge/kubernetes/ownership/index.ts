/** What the bridge writes to groups and members besides status: finalizers, owner references, the power state of nested groups. */
export { DanglingOwners, type DanglingOwnersOptions } from './dangling-owners';
export { OwnedObjects, type OwnedObject } from './owned-objects';
export { kubernetesOwnership, type KubernetesOwnershipOptions } from './ownership';
