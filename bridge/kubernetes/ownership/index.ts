/** What the bridge writes to groups and members besides status: finalizers, owner references, the power state of nested groups. */
export { DanglingOwners } from './dangling-owners';
export { OwnedObjects } from './owned-objects';
export { kubernetesOwnership } from './ownership';
