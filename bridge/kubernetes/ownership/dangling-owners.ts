/**
 * Removes owner references to groups that are gone, before the garbage collector takes them for a reason to delete the VMs.
 *
 * OWN-6: a member outlives a group that went without us: its finalizer was removed by hand, or an older owner reference came late. The policy
 *     of such a group is not known any more, so its members are kept, as `Orphan` does.
 * OWN-7: a group that was seen with the policy `Cascade` leaves its references to the garbage collector.
 * OWN-8: a reference is removed only after the API server has answered that no group has its uid.
 */
import pMap from 'p-map';
import {
  isBeingDeleted,
  KubernetesError,
  RESOURCES,
  WorkQueue,
  type ApiServer,
  type KubernetesObject,
  type ResourceCache,
} from '../../../kubernetes';
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
  deletionOf: (group: KubernetesObject) => 'Orphan' | 'Cascade';
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
    for (const uid of owned.uids().filter((each) => this.#isDangling(each))) {
      if (!(await this.#isGone(uid))) continue;
      await pMap(owned.of(uid), (member) => this.#release(member, uid), { concurrency: CONCURRENCY });
    }
  }

  /** OWN-8. */
  async #isGone(uid: string): Promise<boolean> {
    const [member] = this.#options.owned.of(uid);
    const reference = member && groupOwners(member.object).find((owner) => owner.uid === uid);
    if (!member || !reference) return false;
    const { namespace = '' } = member.object.metadata;
    const group = { namespace, name: reference.name };
    const found = await this.#options.api.get(RESOURCES.virtualMachineGroups, group);
    return found?.metadata.uid !== uid;
  }

  async #release(member: OwnedObject, uid: string): Promise<void> {
    const { resource, object } = member;
    if (this.#stopped || !this.#options.isLeader() || isBeingDeleted(object)) return;
    const group = groupOwners(object).find((owner) => owner.uid === uid)?.name ?? '';
    try {
      await removeOwner(this.#options.api, resource, object, uid);
      this.#options.onRemoved?.(member, group);
    } catch (error: unknown) {
      // The watch will bring the version that was in the way, and with it another pass.
      if (!(error instanceof KubernetesError && error.isConflict)) throw error;
    }
  }
}
