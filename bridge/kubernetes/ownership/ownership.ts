/**
 * Marks on the objects of a cluster: the finalizer of groups, owner references of members, the power state of nested groups.
 *
 * N1: only the holder of the lease writes, and only what is not there already.
 * N2: a group goes only after its run was told and its members were treated as its policy says. `Orphan` takes the owner references off, so
 *     that nothing deletes the members; `Cascade` leaves them to the garbage collector.
 * N3: owner references of others stay as they are, and so do other finalizers.
 * N4: a nested group whose power state somebody else keeps changing is left alone after a few corrections: its run goes by its parent all
 *     the same.
 * OWN-5: a member gets an owner reference only while the finalizer stands on its group, as the API server has confirmed. Otherwise the group
 *     could be deleted with the reference in place, and the garbage collector would delete the member.
 */
import PQueue from 'p-queue';
import type { Group, PowerState } from '../../../api';
import {
  KubernetesError,
  LEADER_WRITE_TIMEOUT,
  RESOURCES,
  type ApiServer,
  type KubernetesObject,
  type Resource,
} from '../../../kubernetes';
import type { GroupName } from '../../runs';
import { objectKey, type ObjectKey } from '../../manifests';
import type { Ownership } from '../../ownership';
import type { ResolvedTier } from '../../plans';
import type { ClusterObjects } from '../objects';
import type { OwnedObject, OwnedObjects } from './owned-objects';
import { addOwner, isOwnedBy, removeOwner } from './owner-references';
import { FIELD_MANAGER } from '../field-manager';
import { writtenMarks } from './written-marks';

/** Finalizer of groups, as VM Operator has it. */
export const FINALIZER = 'vmoperator.vmware.com/virtualmachinegroup';

/** What {@link kubernetesOwnership} needs. */
export interface KubernetesOwnershipOptions {
  api: ApiServer;
  objects: ClusterObjects;
  /** Objects with owner references, so that those that have left a group are found. */
  owned: OwnedObjects;
  isLeader: () => boolean;
  /** What deleting a group does to its members. */
  deletionOf: (group: KubernetesObject) => 'Orphan' | 'Cascade';
  /** Told where N4 gives up. */
  onGivenUp?: (group: GroupName, message: string) => void;
}

/** A field manager of its own: what it applies says nothing of the owner references. */
const FINALIZER_MANAGER = `${FIELD_MANAGER}-finalizer`;
/** Writes that are open at the same time. */
const CONCURRENCY = 16;
/** N4: corrections of one group within the time, milliseconds. */
const MOST_CORRECTIONS = 3;
const CORRECTION_WINDOW = 600_000;

/** Makes the marks of a cluster's objects. */
export function kubernetesOwnership(options: KubernetesOwnershipOptions): Ownership {
  const { api, objects, owned, isLeader, deletionOf, onGivenUp = () => undefined } = options;
  const queue = new PQueue({ concurrency: CONCURRENCY });
  const inTurn = turns();
  const corrections = new Map<ObjectKey, number[]>();
  objects.groups.onChange(({ key, object }) => (object ? undefined : corrections.delete(key)));
  const marks = writtenMarks(objects);

  async function inherit(group: Group, powerState: PowerState): Promise<void> {
    if (!isLeader() || group.powerState === powerState || !mayCorrect(group, powerState)) return;
    const key = objectKey(group);
    corrections.set(key, [...(corrections.get(key) ?? []), Date.now()]);
    const patch = { spec: { powerState } };
    await ignoringMissing(
      api.merge(RESOURCES.virtualMachineGroups, group, patch, { fieldManager: FIELD_MANAGER }),
    );
  }

  /** N4. */
  function mayCorrect(group: Group, powerState: PowerState): boolean {
    const key = objectKey(group);
    const recent = (corrections.get(key) ?? []).filter((at) => Date.now() - at < CORRECTION_WINDOW);
    corrections.set(key, recent);
    if (recent.length < MOST_CORRECTIONS) return true;
    onGivenUp(
      group,
      `somebody keeps setting spec.powerState to ${group.powerState}; its parent has ${powerState}, which is what its run goes by. ` +
        'Take spec.powerState out of what sets it',
    );
    return false;
  }

  /** The newest known version of the group, if it still is this group. */
  function newest(group: Group): KubernetesObject | undefined {
    const object = objects.groups.get(objectKey(group));
    return object?.metadata.uid === group.uid ? marks.newest(object) : undefined;
  }

  function isHeld(group: Group): boolean {
    const object = newest(group);
    return object !== undefined && !isLeaving(object) && hasFinalizer(object);
  }

  async function claim(group: Group): Promise<boolean> {
    if (isHeld(group)) return true;
    const object = newest(group);
    if (!object || isLeaving(object) || !isLeader()) return false;
    const written = await addFinalizer(group);
    marks.note(written);
    return written !== undefined && !isLeaving(written) && hasFinalizer(written);
  }

  /** Undefined where the group is gone or on its way out. */
  async function addFinalizer({ namespace, name, uid }: Group): Promise<KubernetesObject | undefined> {
    try {
      return await api.apply(
        RESOURCES.virtualMachineGroups,
        { metadata: { namespace, name, uid, finalizers: [FINALIZER] } },
        { fieldManager: FINALIZER_MANAGER, timeout: LEADER_WRITE_TIMEOUT },
      );
    } catch (error: unknown) {
      // A group that is being deleted takes no finalizer; the server calls that invalid, as it does other things.
      const found = await api.get(RESOURCES.virtualMachineGroups, { namespace, name });
      if (found && found.metadata.uid === uid && !isLeaving(found)) throw error;
      return undefined;
    }
  }

  async function own(group: Group, tiers: readonly ResolvedTier[]): Promise<void> {
    if (!isLeader()) return;
    await inTurn(group.uid, async () => {
      if (!(await claim(group))) return;
      const { missing, left } = ownerChanges(group, tiers);
      const work = [
        ...missing.map(
          ({ resource, object }) =>
            () =>
              addOwner(api, resource, object, group).then(marks.note),
        ),
        ...left.map(
          ({ resource, object }) =>
            () =>
              removeOwner(api, resource, object, group.uid),
        ),
      ];
      // N1, OWN-5: neither the lease nor the group need be there any more when a write's turn comes.
      const mayWrite = (): boolean => isLeader() && isHeld(group);
      await Promise.all(work.map((each) => queue.add(async () => (mayWrite() ? each() : undefined))));
    });
  }

  /** Linked members without an owner reference, and objects that have one and are members no more. */
  function ownerChanges(
    group: Group,
    tiers: readonly ResolvedTier[],
  ): { missing: OwnedObject[]; left: OwnedObject[] } {
    const members = new Set<string>();
    const missing: OwnedObject[] = [];
    for (const { link, vm, group: child } of tiers.flatMap((tier) => tier.members)) {
      const member = vm ?? child;
      if (link !== 'Linked' || !member) continue;
      members.add(member.uid);
      const resource = vm ? RESOURCES.virtualMachines : RESOURCES.virtualMachineGroups;
      const object = (vm ? objects.machines : objects.groups).get(objectKey(member));
      if (object?.metadata.uid !== member.uid || isOwnedBy(marks.newest(object), group.uid)) continue;
      missing.push({ resource, object });
    }
    const left = owned.of(group.uid).filter(({ object }) => !members.has(object.metadata.uid ?? ''));
    return { missing, left };
  }

  async function release(group: GroupName): Promise<void> {
    corrections.delete(objectKey(group));
    const uid = objects.groups.get(objectKey(group))?.metadata.uid;
    // Owner references that are on their way arrive first.
    if (uid !== undefined) await inTurn(uid, () => releaseNow(group, uid));
  }

  async function releaseNow(group: GroupName, uid: string): Promise<void> {
    const object = objects.groups.get(objectKey(group));
    if (!isLeader() || object?.metadata.uid !== uid || !isLeaving(object) || !hasFinalizer(object)) return;
    if (deletionOf(object) === 'Orphan') {
      // Listed, not from the cache: a reference that was added a moment ago may not be there yet, and its owner would be deleted.
      for (const resource of [RESOURCES.virtualMachines, RESOURCES.virtualMachineGroups]) {
        await takeOff(resource, group.namespace, uid);
      }
    }
    const { resourceVersion, finalizers = [] } = object.metadata;
    const patch = {
      metadata: { resourceVersion, finalizers: finalizers.filter((each) => each !== FINALIZER) },
    };
    await ignoringMissing(
      api.merge(RESOURCES.virtualMachineGroups, group, patch, {
        fieldManager: FIELD_MANAGER,
        timeout: LEADER_WRITE_TIMEOUT,
      }),
    );
  }

  /** Takes a group's owner references off every object of its namespace; a conflict is thrown, and everything is tried again. */
  async function takeOff(resource: Resource, namespace: string, uid: string): Promise<void> {
    let next: string | undefined;
    do {
      const page = await api.list(resource, {
        namespace,
        limit: 500,
        ...(next !== undefined && { continue: next }),
      });
      const members = page.items.filter((object) => isOwnedBy(object, uid));
      await Promise.all(members.map((object) => queue.add(() => removeOwner(api, resource, object, uid))));
      next = page.metadata.continue || undefined;
    } while (next !== undefined);
  }

  return { claim, inherit, own, release };
}

function hasFinalizer({ metadata }: KubernetesObject): boolean {
  return metadata.finalizers?.includes(FINALIZER) === true;
}

function isLeaving({ metadata }: KubernetesObject): boolean {
  return metadata.deletionTimestamp !== undefined;
}

/** One piece of work of a key at a time, in the order in which they were asked for. */
function turns(): (key: string, work: () => Promise<void>) => Promise<void> {
  const last = new Map<string, Promise<void>>();
  return async (key, work) => {
    const turn = (last.get(key) ?? Promise.resolve()).catch(() => undefined).then(work);
    last.set(key, turn);
    try {
      await turn;
    } finally {
      if (last.get(key) === turn) last.delete(key);
    }
  };
}

/** A conflict is thrown, and everything is tried again: what changed the object may change nothing that the source tells of. */
async function ignoringMissing(write: Promise<KubernetesObject>): Promise<KubernetesObject | undefined> {
  try {
    return await write;
  } catch (error: unknown) {
    if (error instanceof KubernetesError && error.isNotFound) return undefined;
    throw error;
  }
}
