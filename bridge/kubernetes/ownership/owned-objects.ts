/** Which objects have an owner reference to which group. */
import { RESOURCES, type KubernetesObject, type Resource, type ResourceCache } from '../../../kubernetes';
import type { ClusterObjects } from '../objects';
import { groupOwners } from './owner-references';

/** An object with an owner reference to a group. */
export interface OwnedObject {
  resource: Resource;
  object: KubernetesObject;
}

/** Owner references by the uid of the group that they name. */
export interface OwnedObjects {
  of(uid: string): OwnedObject[];
  /** Every uid that is named. */
  uids(): string[];
}

/** Follows the owner references of groups and VMs. */
export function ownedObjects({ machines, groups }: ClusterObjects): OwnedObjects {
  const found = new Map<string, Map<string, OwnedObject>>();

  function remove(id: string, previous: KubernetesObject): void {
    for (const { uid } of groupOwners(previous)) {
      const owned = found.get(uid);
      owned?.delete(id);
      if (owned?.size === 0) found.delete(uid);
    }
  }

  function add(id: string, owned: OwnedObject): void {
    for (const { uid } of groupOwners(owned.object)) {
      found.set(uid, (found.get(uid) ?? new Map<string, OwnedObject>()).set(id, owned));
    }
  }

  function follow(resource: Resource, cache: ResourceCache<KubernetesObject>): void {
    const idOf = (key: string): string => `${resource.kind}/${key}`;
    cache.onChange(({ key, object, previous }) => {
      if (previous) remove(idOf(key), previous);
      if (object) add(idOf(key), { resource, object });
    });
    for (const [key, object] of cache.entries()) add(idOf(key), { resource, object });
  }

  follow(RESOURCES.virtualMachines, machines);
  follow(RESOURCES.virtualMachineGroups, groups);
  return { of: (uid) => [...(found.get(uid)?.values() ?? [])], uids: () => [...found.keys()] };
}
