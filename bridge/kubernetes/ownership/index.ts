/** What the bridge puts on groups and members besides status: finalizers, owner references, the power state of nested groups. */
export { danglingOwners, type DanglingOwners, type DanglingOwnersOptions } from './dangling-owners';
export { ownedObjects, type OwnedObject, type OwnedObjects } from './owned-objects';
export { FINALIZER, kubernetesOwnership, type KubernetesOwnershipOptions } from './ownership';
