/**
 * Removes owner references to groups that are gone, before the garbage collector takes them for a reason to delete the VMs.
 *
 * OWN-6: a member outlives a group that went without us: its finalizer was removed by hand, or an older owner reference came late. Nothing
 *     says any more what the policy of such a group was, so that the members are kept, as `Orphan` does.
 * OWN-7: a group that was seen with the policy `Cascade` leaves its references to the garbage collector.
 * OWN-8: a reference is removed only after the API server has said that no group has its uid.
 */
import PQueue from 'p-queue';
import {
  KubernetesError,
  RESOURCES,
  type ApiServer,
  type KubernetesObject,
  type ResourceCache,
} from '../../../kubernetes';
import type { ClusterObjects } from '../objects';
import type { OwnedObject, OwnedObjects } from './owned-objects';
import { groupOwners, removeOwner } from './owner-references';

/** What {@link danglingOwners} needs. */
export interface DanglingOwnersOptions {
  api: ApiServer;
  objects: ClusterObjects;
  owned: OwnedObjects;
  isLeader: () => boolean;
  /** What deleting a group does to its members. */
  deletionOf: (group: KubernetesObject) => 'Orphan' | 'Cascade';
  /** Called with each object that lost a reference to a group that is gone. */
  onRemoved?: (object: OwnedObject, group: string) => void;
  /** Called with an error; the pass is repeated. */
  onError?: (error: unknown) => void;
}

/** Keeps members free of references to groups that are gone. */
export interface DanglingOwners {
  /** Looks at every owner reference soon: this process may write now. */
  look(): void;
  stop(): Promise<void>;
}

/** Milliseconds in which changes are gathered. */
const GATHER = 50;
/** Milliseconds after which a pass that failed is repeated. */
const RETRY = 5_000;
/** Writes that are open at the same time. */
const CONCURRENCY = 16;

/** Follows groups and members from now on; the first look is taken once everything was listed. */
export function danglingOwners(options: DanglingOwnersOptions): DanglingOwners {
  const { api, objects, owned, isLeader, deletionOf } = options;
  const { onRemoved = () => undefined, onError = () => undefined } = options;
  const groups = new Set<string>();
  /** OWN-7. Forgotten once nothing refers to the group. */
  const cascaded = new Set<string>();
  const queue = new PQueue({ concurrency: CONCURRENCY });
  let timer: NodeJS.Timeout | undefined;
  let pass: Promise<void> | undefined;
  let again = false;
  let synced = false;
  let stopped = false;

  function schedule(delay: number): void {
    if (stopped || !synced || timer) return;
    if (pass) return void (again = true);
    timer = setTimeout(() => {
      timer = undefined;
      pass = look().then(
        () => finished(GATHER, again),
        (error: unknown) => {
          onError(error);
          finished(RETRY, true);
        },
      );
    }, delay);
  }

  function finished(delay: number, repeat: boolean): void {
    pass = undefined;
    again = false;
    if (repeat) schedule(delay);
  }

  function isDangling(uid: string): boolean {
    return !groups.has(uid) && !cascaded.has(uid);
  }

  async function look(): Promise<void> {
    for (const uid of cascaded) if (owned.of(uid).length === 0) cascaded.delete(uid);
    if (!isLeader()) return;
    for (const uid of owned.uids().filter(isDangling)) {
      if (await isGone(uid))
        await Promise.all(owned.of(uid).map((each) => queue.add(() => release(each, uid))));
    }
  }

  /** OWN-8. */
  async function isGone(uid: string): Promise<boolean> {
    const [member] = owned.of(uid);
    const reference = member && groupOwners(member.object).find((owner) => owner.uid === uid);
    if (!member || !reference) return false;
    const { namespace = '' } = member.object.metadata;
    const found = await api.get(RESOURCES.virtualMachineGroups, { namespace, name: reference.name });
    return found?.metadata.uid !== uid;
  }

  async function release(member: OwnedObject, uid: string): Promise<void> {
    const { resource, object } = member;
    if (stopped || !isLeader() || object.metadata.deletionTimestamp !== undefined) return;
    const name = groupOwners(object).find((owner) => owner.uid === uid)?.name ?? '';
    try {
      await removeOwner(api, resource, object, uid);
      onRemoved(member, name);
    } catch (error: unknown) {
      // The watch brings the version that was in the way, and with it another pass.
      if (!(error instanceof KubernetesError && error.isConflict)) throw error;
    }
  }

  function onGroup(object: KubernetesObject | undefined, previous: KubernetesObject | undefined): void {
    const [now, before] = [object?.metadata.uid, previous?.metadata.uid];
    if (before !== undefined && before !== now) {
      groups.delete(before);
      if (previous && deletionOf(previous) === 'Cascade') cascaded.add(before);
      schedule(GATHER);
    }
    if (now !== undefined) groups.add(now);
  }

  function follow(cache: ResourceCache<KubernetesObject>): () => void {
    return cache.onChange(({ object }) => {
      if (object && groupOwners(object).some(({ uid }) => isDangling(uid))) schedule(GATHER);
    });
  }

  const stopListening = [
    objects.groups.onChange(({ object, previous }) => onGroup(object, previous)),
    follow(objects.groups),
    follow(objects.machines),
  ];
  for (const [, object] of objects.groups.entries()) onGroup(object, undefined);
  void Promise.all([objects.groups.synced(), objects.machines.synced()]).then(() => {
    synced = true;
    schedule(0);
  });

  return {
    look: () => schedule(0),
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      for (const stop of stopListening) stop();
      await pass;
    },
  };
}
