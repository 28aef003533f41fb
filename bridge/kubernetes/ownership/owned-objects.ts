/** Which objects have an owner reference to which group. */
import { RESOURCES, type KubernetesObject, type Resource, type ResourceCache } from '../../../kubernetes';
import type { ClusterObjects } from '../objects';
import { groupOwners } from './owner-references';

/** An object with an owner reference to a group. */
export interface OwnedObject {
  resource: Resource;
  object: KubernetesObject;
}

/** The owner references of groups and VMs, by the uid of the group that they name. */
export class OwnedObjects {
  readonly #byOwner = new Map<string, Map<string, OwnedObject>>();

  /** Follows the owner references from now on. */
  constructor({ machines, groups }: Pick<ClusterObjects, 'machines' | 'groups'>, ownsMachines = true) {
    if (ownsMachines) this.#follow(RESOURCES.virtualMachines, machines);
    this.#follow(RESOURCES.virtualMachineGroups, groups);
  }

  /** The objects that name a group. */
  of(uid: string): OwnedObject[] {
    return [...(this.#byOwner.get(uid)?.values() ?? [])];
  }

  /** The uid of every group that is named. */
  uids(): string[] {
    return [...this.#byOwner.keys()];
  }

  #follow(resource: Resource, cache: ResourceCache<KubernetesObject>): void {
    const idOf = (key: string): string => `${resource.kind}/${key}`;
    cache.onChange(({ key, object, previous }) => {
      if (previous) this.#remove(idOf(key), previous);
      if (object) this.#add(idOf(key), { resource, object });
    });
    for (const [key, object] of cache.entries()) this.#add(idOf(key), { resource, object });
  }

  #add(id: string, owned: OwnedObject): void {
    for (const { uid } of groupOwners(owned.object)) {
      this.#byOwner.set(uid, (this.#byOwner.get(uid) ?? new Map<string, OwnedObject>()).set(id, owned));
    }
  }

  #remove(id: string, previous: KubernetesObject): void {
    for (const { uid } of groupOwners(previous)) {
      const owned = this.#byOwner.get(uid);
      owned?.delete(id);
      if (owned?.size === 0) this.#byOwner.delete(uid);
    }
  }
}
