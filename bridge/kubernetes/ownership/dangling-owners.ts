/**
 * Removes owner references to groups that are gone, before the garbage collector takes them for a reason to delete the VMs.
 *
 * OWN-6: a member outlives a group that went without us: its finalizer was removed by hand, or an older owner reference came late. The policy
 *     of such a group is no longer known, so its members are kept, as `Orphan` does.
 * OWN-7: a group that was seen with the policy `Cascade` leaves its references to the garbage collector.
 * OWN-8: a reference is removed only after the API server has answered that the group that it names is not there, or has another uid.
 * OWN-9: a reference that cannot be looked into or removed keeps none of the others from being removed.
 */
import pMap from 'p-map';
import type { ObjectName } from '../../../api';
import {
  findListed,
  isBeingDeleted,
  KubernetesError,
  RESOURCES,
  WorkQueue,
  type ApiServer,
  type KubernetesObject,
  type ResourceCache,
} from '../../../kubernetes';
import { objectKey, type ObjectKey } from '../../manifests';
import type { Deletion } from '../deletion';
import type { ClusterObjects } from '../objects';
import type { OwnedObject, OwnedObjects } from './owned-objects';
import { groupOwners, removeOwner } from './owner-references';

/** What {@link DanglingOwners} needs. */
export interface DanglingOwnersOptions {
  api: ApiServer;
  objects: ClusterObjects;
  owned: OwnedObjects;
  isLeader: () => boolean;
  /** What deleting a group does to its members. */
  deletionOf: (group: KubernetesObject) => Deletion;
  /** Called with each object that lost a reference to a group that is gone. */
  onRemoved?: (object: OwnedObject, group: string) => void;
  /** Called with an error; the pass is repeated. */
  onError?: (error: unknown) => void;
}

/** Milliseconds in which changes are gathered. */
const GATHER = 50;
/** Milliseconds after which a pass that failed is repeated. */
const RETRY = 5_000;
/** Writes that are open at the same time. */
const CONCURRENCY = 16;
/** The one key of the queue: a pass goes through all references. */
const PASS = 'pass';

/** Keeps members free of references to groups that are gone. */
export class DanglingOwners {
  readonly #options: DanglingOwnersOptions;
  readonly #passes: WorkQueue;
  /** Uids of the groups that exist. */
  readonly #groups = new Set<string>();
  /** OWN-7: uids of groups that are gone. Forgotten once no reference names them. */
  readonly #cascaded = new Set<string>();
  #stopListening: (() => void)[] = [];
  #synced = false;
  #stopped = false;

  constructor(options: DanglingOwnersOptions) {
    this.#options = options;
    this.#passes = new WorkQueue({
      concurrency: 1,
      work: () => this.#pass(),
      onError: (_key, error) => options.onError?.(error),
      pause: () => RETRY,
    });
  }

  /** Follows groups and members from now on; the first pass begins once everything was listed. */
  start(): void {
    const { groups, machines } = this.#options.objects;
    this.#stopListening = [
      groups.onChange(({ object, previous }) => this.#onGroup(object, previous)),
      this.#follow(groups),
      this.#follow(machines),
    ];
    for (const [, object] of groups.entries()) this.#onGroup(object, undefined);
    void Promise.all([groups.synced(), machines.synced()]).then(() => {
      this.#synced = true;
      this.look();
    });
  }

  /** Begins a pass soon: this process has become the leader. */
  look(): void {
    this.#schedule(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const stop of this.#stopListening) stop();
    await this.#passes.stop();
  }

  #schedule(delay: number): void {
    if (this.#synced) this.#passes.add(PASS, delay);
  }

  #follow(cache: ResourceCache<KubernetesObject>): () => void {
    return cache.onChange(({ object }) => {
      if (object && groupOwners(object).some(({ uid }) => this.#isDangling(uid))) this.#schedule(GATHER);
    });
  }

  #onGroup(object: KubernetesObject | undefined, previous: KubernetesObject | undefined): void {
    const [now, before] = [object?.metadata.uid, previous?.metadata.uid];
    if (previous && before !== undefined && before !== now) {
      this.#groups.delete(before);
      if (this.#options.deletionOf(previous) === 'Cascade') this.#cascaded.add(before);
      this.#schedule(GATHER);
    }
    if (now !== undefined) this.#groups.add(now);
  }

  #isDangling(uid: string): boolean {
    return !this.#groups.has(uid) && !this.#cascaded.has(uid);
  }

  async #pass(): Promise<void> {
    const { owned, isLeader } = this.#options;
    for (const uid of this.#cascaded) if (owned.of(uid).length === 0) this.#cascaded.delete(uid);
    if (!isLeader()) return;
    const errors: Error[] = [];
    for (const uid of owned.uids().filter((each) => this.#isDangling(each))) {
      const isGone = this.#lookUp(uid);
      // OWN-9.
      const release = (member: OwnedObject): Promise<void> =>
        this.#release(member, uid, isGone).catch((error: Error) => void errors.push(error));
      await pMap(owned.of(uid), release, { concurrency: CONCURRENCY });
    }
    const [first] = errors;
    if (first) throw first;
  }

  /** OWN-8: whether the group of a name and this uid is gone; each is asked for once. */
  #lookUp(uid: string): (group: ObjectName) => Promise<boolean> {
    const { api } = this.#options;
    const asked = new Map<ObjectKey, Promise<boolean>>();
    const ask = async (group: ObjectName): Promise<boolean> =>
      (await findListed(api, RESOURCES.virtualMachineGroups, group))?.metadata.uid !== uid;
    return (group) => {
      const key = objectKey(group);
      const answer = asked.get(key) ?? ask(group);
      asked.set(key, answer);
      return answer;
    };
  }

  async #release(
    member: OwnedObject,
    uid: string,
    isGone: (group: ObjectName) => Promise<boolean>,
  ): Promise<void> {
    const { resource, object } = member;
    const { namespace = '' } = object.metadata;
    const group = groupOwners(object).find((owner) => owner.uid === uid)?.name ?? '';
    if (isBeingDeleted(object) || !(await isGone({ namespace, name: group }))) return;
    if (this.#stopped || !this.#options.isLeader()) return;
    try {
      await removeOwner(this.#options.api, resource, object, uid);
      this.#options.onRemoved?.(member, group);
    } catch (error: unknown) {
      // The watch will bring the version that was in the way, and with it another pass.
      if (!(error instanceof KubernetesError && error.isConflict)) throw error;
    }
  }
}
