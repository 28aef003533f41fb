/**
 * Keeps what vmgroup reports of groups in an annotation of theirs, where VM Operator's group controller owns the status.
 *
 * SUMMARY-3: a change of any part of a group makes that controller patch all its members. So a summary is written when the phase or the run
 *     changes, at most once a second, and otherwise at most every ten seconds.
 * SUMMARY-4: only the leader writes, and only what the object does not have. A group that vmgroup does nothing with gets none.
 */
import { COMPANION_STATUS } from '../../../api';
import { KubernetesError, RESOURCES, WorkQueue, doublingPause, type ApiServer } from '../../../kubernetes';
import { objectKey, type ObjectKey } from '../../manifests';
import type { GroupView } from '../../status';
import { FIELD_MANAGER } from '../field-manager';
import type { ClusterObjects } from '../objects';
import { loadViews, type KubernetesStatusStore, type LoadViewsOptions } from '../stored-status';
import { summaryText, viewOfSummary } from './summary';

/** What {@link SummaryStore} needs. */
export interface SummaryStoreOptions {
  api: ApiServer;
  groups: ClusterObjects['groups'];
  /** Absent: all namespaces. */
  namespaces?: readonly string[];
  isLeader: () => boolean;
  /** Called when a write (or without a group: the first reading) failed and is retried. */
  onError?: (error: unknown, retryIn: number, group?: { namespace: string; name: string }) => void;
  /** See {@link LoadViewsOptions.onUnreadable}. */
  onUnreadable?: NonNullable<LoadViewsOptions['onUnreadable']>;
}

/** Milliseconds between two writes of one group: if the phase or the run has changed, and otherwise. */
const SOON = 1_000;
const LATER = 10_000;
/** Groups that are written at the same time. */
const CONCURRENCY = 8;
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;

/** What is to be written of one group, and what was. */
interface Slot {
  view: GroupView;
  text: string;
  /** {@link headOf} the view that was written last. */
  head: string;
  at: number;
}

/** A store of summaries. */
export class SummaryStore implements KubernetesStatusStore {
  readonly #options: SummaryStoreOptions;
  readonly #slots = new Map<ObjectKey, Slot>();
  readonly #queue: WorkQueue;
  #writes = 0;

  constructor(options: SummaryStoreOptions) {
    this.#options = options;
    this.#queue = new WorkQueue({
      concurrency: CONCURRENCY,
      work: (key) => this.#write(key),
      onError: (key, error, retryIn) =>
        options.onError?.(error, retryIn, this.#slots.get(key)?.view.metadata),
      pause: (failures) => doublingPause(failures, FIRST_PAUSE, LONGEST_PAUSE),
    });
    options.groups.onChange(({ key, object }) => {
      if (object && object.summary !== this.#slots.get(key)?.text) this.#schedule(key);
    });
  }

  get writes(): number {
    return this.#writes;
  }

  /** Waits for an API server that does not answer. */
  load(): Promise<GroupView[]> {
    return loadViews(this.#options, viewOfSummary);
  }

  save(view: GroupView): void {
    const key = objectKey(view.metadata);
    const known = this.#slots.get(key);
    this.#slots.set(key, { head: '', at: -Infinity, ...known, view, text: summaryText(view) });
    this.#schedule(key);
  }

  remove(group: { namespace: string; name: string }): void {
    this.#slots.delete(objectKey(group));
  }

  lead(): void {
    for (const key of this.#slots.keys()) this.#schedule(key);
  }

  async flush(): Promise<void> {
    for (const key of this.#slots.keys()) this.#queue.add(key);
    await this.#queue.flush();
  }

  #schedule(key: ObjectKey): void {
    const slot = this.#slots.get(key);
    if (!slot || !this.#options.isLeader()) return;
    const interval = headOf(slot.view) === slot.head ? LATER : SOON;
    this.#queue.add(key, Math.max(0, slot.at + interval - performance.now()));
  }

  async #write(key: ObjectKey): Promise<void> {
    const slot = this.#slots.get(key);
    const { groups, isLeader, api } = this.#options;
    const object = groups.get(key);
    if (!slot || !isLeader() || object?.metadata.uid !== slot.view.metadata.uid) return;
    const isIdle = slot.view.phase === 'Unmanaged' && object.summary === undefined;
    if (object.summary === slot.text || isIdle) return;
    this.#writes += 1;
    Object.assign(slot, { at: performance.now(), head: headOf(slot.view) });
    const { namespace, name, uid } = slot.view.metadata;
    const patch = { metadata: { uid, annotations: { [COMPANION_STATUS]: slot.text } } };
    const options = { fieldManager: FIELD_MANAGER };
    try {
      await api.merge(RESOURCES.virtualMachineGroups, { namespace, name }, patch, options);
    } catch (error: unknown) {
      // The group is gone, or is another one by now.
      if (!(error instanceof KubernetesError && (error.isNotFound || error.isOtherObject))) throw error;
    }
  }
}

/** What people wait for. */
function headOf({ phase, spec, run }: GroupView): string {
  return JSON.stringify([phase, spec.powerState, run?.runId, run?.outcome?.outcome]);
}
