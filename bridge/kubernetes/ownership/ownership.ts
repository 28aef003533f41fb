/**
 * What the bridge writes to the objects of a cluster besides status: the finalizer of groups, owner references of members, the power state of
 * nested groups.
 *
 * OWN-1: only the leader writes, and only what is not there already.
 * OWN-2: a group goes only after its run was notified and its members were treated as its policy says. `Orphan` removes the owner references, so
 *     that nothing deletes the members; `Cascade` leaves them to the garbage collector.
 * OWN-3: owner references and finalizers of others stay as they are.
 * OWN-4: a nested group whose power state another client keeps changing is left alone after a few corrections. Its run goes by its parent all
 *     the same.
 * OWN-5: a member gets an owner reference only while its group has the finalizer, as the API server has confirmed. Otherwise the group could
 *     be deleted with the reference in place, and the garbage collector would delete the member.
 * OWN-10: what is written is for the object that was read, not for another one that has its name by now.
 */
import PQueue from 'p-queue';
import type { Group, ObjectName, PowerState } from '../../../api';
import {
  isBeingDeleted,
  listPages,
  RESOURCES,
  type ApiServer,
  type KubernetesObject,
  type Resource,
} from '../../../kubernetes';
import { objectKey } from '../../manifests';
import type { Ownership } from '../../ownership';
import type { ResolvedTier } from '../../plans';
import type { Deletion } from '../deletion';
import type { ClusterObjects } from '../objects';
import { addFinalizer, hasFinalizer, removeFinalizer } from './finalizer';
import type { OwnedObject, OwnedObjects } from './owned-objects';
import { addOwner, isOwnedBy, removeOwner } from './owner-references';
import { NestedPowerStates } from './power-state';
import { Turns } from './turns';
import { WrittenObjects } from './written-objects';

/** What {@link kubernetesOwnership} needs. */
export interface KubernetesOwnershipOptions {
  api: ApiServer;
  objects: ClusterObjects;
  /** Objects with owner references, so that those that have left a group are found. */
  owned: OwnedObjects;
  /** Absent: groups own their VMs. */
  ownsMachines?: boolean;
  isLeader: () => boolean;
  /** What deleting a group does to its members. */
  deletionOf: (group: KubernetesObject) => Promise<Deletion>;
  /** Called when a group is left alone (OWN-4). */
  onGivenUp?: (group: ObjectName, message: string) => void;
}

/** Writes that are open at the same time. */
const CONCURRENCY = 16;

/** Makes the ownership of a cluster's objects. */
export function kubernetesOwnership(options: KubernetesOwnershipOptions): Ownership {
  return new ObjectOwnership(options);
}

class ObjectOwnership implements Ownership {
  readonly #options: KubernetesOwnershipOptions;
  readonly #writes = new PQueue({ concurrency: CONCURRENCY });
  readonly #turns = new Turns();
  readonly #powerStates: NestedPowerStates;
  readonly #written: WrittenObjects;

  constructor(options: KubernetesOwnershipOptions) {
    const { api, objects, onGivenUp = () => undefined } = options;
    this.#options = options;
    this.#powerStates = new NestedPowerStates(api, onGivenUp);
    this.#written = new WrittenObjects([objects.machines, objects.groups]);
    objects.groups.onChange(({ key, object }) => (object ? undefined : this.#powerStates.forget(key)));
  }

  async claim(group: Group): Promise<boolean> {
    if (this.#isHeld(group)) return true;
    const object = this.#newest(group);
    if (!object || isBeingDeleted(object) || !this.#options.isLeader()) return false;
    const written = await addFinalizer(this.#options.api, group);
    if (!written) return false;
    this.#written.add(written);
    return !isBeingDeleted(written) && hasFinalizer(written);
  }

  async inherit(group: Group, powerState: PowerState): Promise<void> {
    if (this.#options.isLeader()) await this.#powerStates.set(group, powerState);
  }

  async own(group: Group, tiers: readonly ResolvedTier[]): Promise<void> {
    if (this.#options.isLeader()) await this.#turns.run(group.uid, () => this.#own(group, tiers));
  }

  async release(group: ObjectName): Promise<void> {
    const key = objectKey(group);
    this.#powerStates.forget(key);
    const uid = this.#options.objects.groups.get(key)?.metadata.uid;
    // Owner references that are being written come first.
    if (uid !== undefined) await this.#turns.run(uid, () => this.#release(group, uid));
  }

  async #own(group: Group, tiers: readonly ResolvedTier[]): Promise<void> {
    if (!(await this.claim(group))) return;
    const { api } = this.#options;
    const { missing, left } = this.#ownerChanges(group, tiers);
    const apiVersion = this.#newest(group)?.apiVersion;
    if (apiVersion === undefined) return;
    const owner = { apiVersion, name: group.name, uid: group.uid };
    // OWN-1, OWN-5: the lease and the group may be gone when the turn of a write comes.
    const mayWrite = (): boolean => this.#options.isLeader() && this.#isHeld(group);
    const write = (work: () => Promise<unknown>): Promise<unknown> =>
      this.#writes.add(async () => (mayWrite() ? work() : undefined));
    await Promise.all([
      ...missing.map(({ resource, object }) =>
        write(async () => {
          const written = await addOwner(api, resource, object, owner);
          if (written) this.#written.add(written);
        }),
      ),
      ...left.map(({ resource, object }) => write(() => removeOwner(api, resource, object, group.uid))),
    ]);
  }

  /** Linked members without an owner reference, and objects that have one and are no longer members. */
  #ownerChanges(
    group: Group,
    tiers: readonly ResolvedTier[],
  ): { missing: OwnedObject[]; left: OwnedObject[] } {
    const { objects, owned, ownsMachines = true } = this.#options;
    const members = new Set<string>();
    const missing: OwnedObject[] = [];
    for (const { link, vm, group: child } of tiers.flatMap((tier) => tier.members)) {
      const member = vm ?? child;
      if (link !== 'Linked' || !member || (vm && !ownsMachines)) continue;
      members.add(member.uid);
      const resource = vm ? RESOURCES.virtualMachines : RESOURCES.virtualMachineGroups;
      const object = (vm ? objects.machines : objects.groups).get(objectKey(member));
      if (object?.metadata.uid !== member.uid) continue;
      if (!isOwnedBy(this.#written.newest(object), group.uid)) missing.push({ resource, object });
    }
    const left = owned.of(group.uid).filter(({ object }) => !members.has(object.metadata.uid ?? ''));
    return { missing, left };
  }

  async #release(group: ObjectName, uid: string): Promise<void> {
    const { api, objects, ownsMachines = true, isLeader, deletionOf } = this.#options;
    const object = objects.groups.get(objectKey(group));
    if (!isLeader() || object?.metadata.uid !== uid) return;
    if (!isBeingDeleted(object) || !hasFinalizer(object)) return;
    if ((await deletionOf(object)) === 'Orphan') {
      if (ownsMachines) await this.#orphan(RESOURCES.virtualMachines, group.namespace, uid);
      await this.#orphan(RESOURCES.virtualMachineGroups, group.namespace, uid);
    }
    await removeFinalizer(api, object);
  }

  /**
   * Removes a group's owner references from all objects of its namespace. These are listed: the cache may not have a reference that was just
   * added, and its object would be deleted. A conflict is thrown, and everything is tried again.
   */
  async #orphan(resource: Resource, namespace: string, uid: string): Promise<void> {
    const { api } = this.#options;
    for await (const { items } of listPages(api, resource, { namespace })) {
      const members = items.filter((object) => isOwnedBy(object, uid));
      await Promise.all(
        members.map((object) => this.#writes.add(() => removeOwner(api, resource, object, uid))),
      );
    }
  }

  /** Whether the group cannot go without {@link release}. */
  #isHeld(group: Group): boolean {
    const object = this.#newest(group);
    return object !== undefined && !isBeingDeleted(object) && hasFinalizer(object);
  }

  /** The newest known version of the group, if it still is this group. */
  #newest(group: Group): KubernetesObject | undefined {
    const object = this.#options.objects.groups.get(objectKey(group));
    return object?.metadata.uid === group.uid ? this.#written.newest(object) : undefined;
  }
}
