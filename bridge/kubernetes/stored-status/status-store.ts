/**
 * Keeps the status of groups on their objects, by server-side apply.
 *
 * STORE-1: nothing is written if nothing changed, and a group is written at most once a second.
 * STORE-2: only the leader writes; a process that becomes the leader writes what has changed in the meantime.
 * STORE-3: a write that fails is retried with the status of that moment. One that the server finds invalid is retried at growing intervals, or
 *     as soon as there is another status to write.
 * STORE-4: a group that was deleted and recreated under the same name never gets the status of the old one.
 * STORE-5: a field that the installed CustomResourceDefinition does not have (VM Operator's lacks some of ours) is left out, and the rest is
 *     written. It is tried again some minutes later: the definition may have been replaced by a newer one.
 * STORE-6: the status is compared with what the server has, not with what was written. A status that another writer has changed is written
 *     again, whether that was the late write of a former leader, a person, another controller, or an etcd that was restored. A writer that
 *     keeps changing it is answered at growing intervals.
 * STORE-7: a status that the server finds too large is made smaller until it fits.
 */
import {
  RESOURCES,
  WorkQueue,
  type ApiServer,
  type KubernetesObject,
  type ResourceCache,
} from '../../../kubernetes';
import { objectKey, type ObjectKey } from '../../manifests';
import type { GroupView, StatusStore } from '../../status';
import { FIELD_MANAGER } from '../field-manager';
import { loadViews, type LoadViewsOptions } from './load-views';
import { statusDigest } from './status-digest';
import { StatusSlot } from './status-slot';
import { viewOfObject } from './stored-status';
import { UndeclaredFields } from './undeclared-fields';

/** What {@link kubernetesStatusStore} needs. */
export interface KubernetesStatusStoreOptions {
  api: ApiServer;
  /** The groups as they are observed, with the digest of the status that the server has. */
  groups: Pick<ResourceCache<KubernetesObject & { statusDigest: string }>, 'get' | 'onChange'>;
  /** Absent: all namespaces. */
  namespaces?: readonly string[];
  /** STORE-2. */
  isLeader: () => boolean;
  /** Called when a write (or without a group: the first reading) failed and is retried. */
  onError?: (error: unknown, retryIn: number, group?: { namespace: string; name: string }) => void;
  /** See {@link LoadViewsOptions.onUnreadable}. */
  onUnreadable?: NonNullable<LoadViewsOptions['onUnreadable']>;
}

/** A {@link StatusStore} on a cluster. */
export interface KubernetesStatusStore extends StatusStore {
  /** This process has become the leader: writes what has changed. */
  lead(): void;
  /** Writes since the start, for metrics. */
  readonly writes: number;
}

/** Groups that are written at the same time. */
const CONCURRENCY = 16;

/** Makes a store. */
export function kubernetesStatusStore(options: KubernetesStatusStoreOptions): KubernetesStatusStore {
  return new ObjectStatusStore(options);
}

class ObjectStatusStore implements KubernetesStatusStore {
  readonly #options: KubernetesStatusStoreOptions;
  readonly #slots = new Map<ObjectKey, StatusSlot>();
  readonly #queue: WorkQueue;
  /** STORE-5. */
  readonly #undeclared = new UndeclaredFields();
  #writes = 0;

  constructor(options: KubernetesStatusStoreOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      concurrency: CONCURRENCY,
      work: (key) => this.#reconcile(key),
      onError: (key, error, retryIn) =>
        options.onError?.(error, retryIn, this.#slots.get(key)?.view.metadata),
    });
    options.groups.onChange(({ key, object }) => {
      if (object && object.statusDigest !== this.#slots.get(key)?.stored) this.#schedule(key);
    });
  }

  get writes(): number {
    return this.#writes;
  }

  /** Waits for an API server that does not answer. */
  load(): Promise<GroupView[]> {
    return loadViews(this.#options, viewOfObject);
  }

  save(view: GroupView): void {
    const key = objectKey(view.metadata);
    const slot = this.#slots.get(key);
    if (slot) slot.view = view;
    else this.#slots.set(key, new StatusSlot(view, this.#undeclared));
    this.#schedule(key);
  }

  remove(group: { namespace: string; name: string }): void {
    this.#slots.delete(objectKey(group));
  }

  lead(): void {
    for (const [key, slot] of this.#slots) {
      slot.forgetWritten();
      this.#schedule(key);
    }
  }

  async flush(): Promise<void> {
    for (const key of this.#slots.keys()) this.#queue.add(key);
    await this.#queue.flush();
  }

  #schedule(key: ObjectKey, at = 0): void {
    const slot = this.#slots.get(key);
    if (!slot || !this.#options.isLeader()) return;
    this.#queue.add(key, Math.max(0, Math.max(at, slot.dueAt()) - performance.now()));
  }

  /** Writes the status if the server has another one. */
  async #reconcile(key: ObjectKey): Promise<void> {
    const slot = this.#slots.get(key);
    if (!slot || !this.#options.isLeader()) return;
    const observed = this.#options.groups.get(key)?.statusDigest;
    if (slot.isUpToDate(observed)) return;
    const wanted = slot.wanted();
    const writeAt = slot.writeAt(wanted, observed, performance.now());
    if (writeAt === undefined) return;
    if (writeAt > performance.now()) return this.#schedule(key, writeAt);
    slot.begins(wanted, performance.now());
    try {
      slot.written(wanted, statusDigest(await this.#write(wanted)));
    } catch (error: unknown) {
      const failure = slot.failed(wanted, error, performance.now());
      if (failure?.isNews) this.#options.onError?.(error, failure.retryIn, slot.view.metadata);
    }
    // After a write too: the watch may have brought the status of another writer meanwhile, and there may be a newer view.
    this.#schedule(key);
  }

  async #write({ view, status }: { view: GroupView; status: object }): Promise<KubernetesObject> {
    this.#writes += 1;
    const { namespace, name, uid } = view.metadata;
    return this.#options.api.apply(
      RESOURCES.virtualMachineGroups,
      { metadata: { namespace, name, uid }, status },
      { fieldManager: FIELD_MANAGER, subresource: 'status' },
    );
  }
}
