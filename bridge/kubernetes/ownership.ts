/**
 * Marks on the objects of a cluster: the finalizer of groups, owner references of members, the power state of nested groups.
 *
 * N1: only the holder of the lease writes, and only what is not there already.
 * N2: a group goes only after its run was told and its members were treated as its policy says. `Orphan` takes the owner references off, so
 *     that nothing deletes the members; `Cascade` leaves them to the garbage collector.
 * N3: owner references of others stay as they are, and so do other finalizers.
 * N4: a nested group whose power state somebody else keeps changing is left alone after a few corrections: its run goes by its parent all
 *     the same.
 */
import PQueue from 'p-queue';
import type { Group, PowerState } from '../../api';
import {
  isOlder,
  KubernetesError,
  RESOURCES,
  type ApiServer,
  type KubernetesObject,
  type Resource,
} from '../../kubernetes';
import type { GroupName } from '../group-runs';
import { objectKey, type ObjectKey } from '../manifest-index';
import type { Ownership } from '../ownership';
import type { ResolvedTier } from '../resolve';
import type { ClusterObjects } from './objects';
import { FIELD_MANAGER } from './status-store';

/** Finalizer of groups, as VM Operator has it. */
export const FINALIZER = 'vmoperator.vmware.com/virtualmachinegroup';

/** What {@link kubernetesOwnership} needs. */
export interface KubernetesOwnershipOptions {
  api: ApiServer;
  objects: ClusterObjects;
  isLeader: () => boolean;
  /** What deleting a group does to its members. */
  deletionOf: (group: KubernetesObject) => 'Orphan' | 'Cascade';
  /** Told where N4 gives up. */
  onGivenUp?: (group: GroupName, message: string) => void;
}

/** Field managers of their own: what one applies says nothing of what the other has applied. */
const FINALIZER_MANAGER = `${FIELD_MANAGER}-finalizer`;
const OWNER_MANAGER = `${FIELD_MANAGER}-owner`;
const OWNER_API_VERSION = 'vmoperator.vmware.com/v1alpha6';
/** Writes that are open at the same time. */
const CONCURRENCY = 16;
/** N4: corrections of one group within the time, milliseconds. */
const MOST_CORRECTIONS = 3;
const CORRECTION_WINDOW = 600_000;

/** Makes the marks of a cluster's objects. */
export function kubernetesOwnership(options: KubernetesOwnershipOptions): Ownership {
  const { api, objects, isLeader, deletionOf, onGivenUp = () => undefined } = options;
  const queue = new PQueue({ concurrency: CONCURRENCY });
  const corrections = new Map<ObjectKey, number[]>();
  /** Objects with an owner reference to a group, by the group's uid, so that those that have left are found. */
  const owned = ownedObjects(objects);

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

  async function own(group: Group, tiers: readonly ResolvedTier[]): Promise<void> {
    if (!isLeader()) return;
    const key = objectKey(group);
    const object = objects.groups.get(key);
    if (!object || object.metadata.uid !== group.uid || object.metadata.deletionTimestamp !== undefined)
      return;
    const work: (() => Promise<unknown>)[] = [];
    if (!object.metadata.finalizers?.includes(FINALIZER) && !marks.awaitedOn(object)) {
      work.push(() => addFinalizer(group).then(marks.note));
    }
    const members = new Set<string>();
    for (const { link, vm, group: child } of tiers.flatMap((tier) => tier.members)) {
      const member = vm ?? child;
      if (link !== 'Linked' || !member) continue;
      members.add(member.uid);
      const resource = vm ? RESOURCES.virtualMachines : RESOURCES.virtualMachineGroups;
      const known = (vm ? objects.machines : objects.groups).get(objectKey(member));
      if (!known || known.metadata.uid !== member.uid) continue;
      if (isOwnedBy(known, group.uid) || marks.awaitedOn(known)) continue;
      work.push(() => addOwner(resource, known, group).then(marks.note));
    }
    for (const { resource, object: left } of owned.of(group.uid)) {
      if (!members.has(left.metadata.uid ?? '')) work.push(() => removeOwner(resource, left, group.uid));
    }
    // N1: a process that was paused meanwhile writes no more.
    await Promise.all(work.map((each) => queue.add(async () => (isLeader() ? each() : undefined))));
  }

  function addFinalizer({ namespace, name, uid }: Group): Promise<KubernetesObject | undefined> {
    return ignoringMissing(
      api.apply(
        RESOURCES.virtualMachineGroups,
        { metadata: { namespace, name, uid, finalizers: [FINALIZER] } },
        { fieldManager: FINALIZER_MANAGER },
      ),
    );
  }

  function addOwner(
    resource: Resource,
    { metadata }: KubernetesObject,
    group: Group,
  ): Promise<KubernetesObject | undefined> {
    const owner = {
      apiVersion: OWNER_API_VERSION,
      kind: 'VirtualMachineGroup',
      name: group.name,
      uid: group.uid,
    };
    return ignoringMissing(
      api.apply(
        resource,
        { metadata: { ...namesOf(metadata), ownerReferences: [owner] } },
        { fieldManager: OWNER_MANAGER },
      ),
    );
  }

  /** N3: with the version that was read, so that no reference that came meanwhile is lost. */
  function removeOwner(resource: Resource, { metadata }: KubernetesObject, uid: string): Promise<unknown> {
    const ownerReferences = (metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid);
    return ignoringMissing(
      api.merge(
        resource,
        namesOf(metadata),
        { metadata: { resourceVersion: metadata.resourceVersion, ownerReferences } },
        { fieldManager: FIELD_MANAGER },
      ),
    );
  }

  async function release(group: GroupName): Promise<void> {
    corrections.delete(objectKey(group));
    const object = objects.groups.get(objectKey(group));
    const finalizers = object?.metadata.finalizers ?? [];
    if (!isLeader() || !object || !finalizers.includes(FINALIZER)) return;
    if (object.metadata.deletionTimestamp === undefined) return;
    const uid = object.metadata.uid ?? '';
    if (deletionOf(object) === 'Orphan') {
      // Read anew: what was marked a moment ago may not have come yet, and would be deleted.
      for (const resource of [RESOURCES.virtualMachines, RESOURCES.virtualMachineGroups]) {
        await takeOff(resource, group.namespace, uid);
      }
    }
    const rest = finalizers.filter((each) => each !== FINALIZER);
    const { resourceVersion } = object.metadata;
    const patch = { metadata: { resourceVersion, finalizers: rest } };
    await ignoringMissing(
      api.merge(RESOURCES.virtualMachineGroups, group, patch, { fieldManager: FIELD_MANAGER }),
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
      await Promise.all(
        page.items
          .filter((object) => isOwnedBy(object, uid))
          .map((object) =>
            queue.add(() => {
              const ownerReferences = (object.metadata.ownerReferences ?? []).filter(
                (owner) => owner.uid !== uid,
              );
              const { resourceVersion } = object.metadata;
              const patch = { metadata: { resourceVersion, ownerReferences } };
              return ignoringMissing(
                api.merge(resource, namesOf(object.metadata), patch, { fieldManager: FIELD_MANAGER }),
              );
            }),
          ),
      );
      next = page.metadata.continue || undefined;
    } while (next !== undefined);
  }

  return { inherit, own, release };
}

type Metadata = KubernetesObject['metadata'];

function namesOf({ namespace, name, uid }: Metadata): Metadata {
  return { name, ...(namespace !== undefined && { namespace }), ...(uid !== undefined && { uid }) };
}

function isOwnedBy({ metadata }: KubernetesObject, uid: string): boolean {
  return metadata.ownerReferences?.some((owner) => owner.uid === uid) === true;
}

interface WrittenMarks {
  /** Remembers the version that a write made; undefined: the object is gone. */
  note: (written: KubernetesObject | undefined) => void;
  /** Whether a mark was written to the object of which the watch has not told yet: others may have written to it in between. */
  awaitedOn: (known: KubernetesObject) => boolean;
}

/** Keeps what was written until the watch has told of it, so that nothing is written twice. */
function writtenMarks(objects: ClusterObjects): WrittenMarks {
  const written = new Map<string, KubernetesObject>();
  const uidOf = ({ metadata }: KubernetesObject): string => metadata.uid ?? '';
  const awaitedOn = (known: KubernetesObject): boolean => {
    const version = written.get(uidOf(known));
    return version !== undefined && isOlder(known, version);
  };
  const caches = [objects.machines, objects.groups];
  for (const cache of caches) {
    cache.onChange(({ object, previous }) => {
      if (previous && object?.metadata.uid !== previous.metadata.uid) written.delete(uidOf(previous));
      if (object && !awaitedOn(object)) written.delete(uidOf(object));
    });
  }
  return {
    note: (object) => {
      if (!object) return;
      const { namespace = '', name, uid } = object.metadata;
      const known = caches
        .map((cache) => cache.get(objectKey({ namespace, name })))
        .find((each) => each?.metadata.uid === uid);
      if (known && isOlder(known, object)) written.set(uidOf(object), { metadata: object.metadata });
    },
    awaitedOn,
  };
}

interface Owned {
  resource: Resource;
  object: KubernetesObject;
}

/** Follows which objects have an owner reference to which group. */
function ownedObjects(objects: ClusterObjects): { of(uid: string): Owned[] } {
  const found = new Map<string, Map<string, Owned>>();
  const follow = (resource: Resource, cache: ClusterObjects['groups']): void => {
    const note = (
      key: string,
      object: KubernetesObject | undefined,
      previous: KubernetesObject | undefined,
    ): void => {
      const id = `${resource.kind}/${key}`;
      for (const uid of groupOwners(previous)) found.get(uid)?.delete(id);
      if (!object) return;
      for (const uid of groupOwners(object)) {
        const owned = found.get(uid) ?? new Map<string, Owned>();
        found.set(uid, owned.set(id, { resource, object }));
      }
    };
    cache.onChange(({ key, object, previous }) => note(key, object, previous));
    for (const [key, object] of cache.entries()) note(key, object, undefined);
  };
  follow(RESOURCES.virtualMachines, objects.machines);
  follow(RESOURCES.virtualMachineGroups, objects.groups);
  return { of: (uid) => [...(found.get(uid)?.values() ?? [])] };
}

function groupOwners(object: KubernetesObject | undefined): string[] {
  const owners = object?.metadata.ownerReferences ?? [];
  return owners.filter(({ kind }) => kind === 'VirtualMachineGroup').map(({ uid }) => uid);
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
