/**
 * Keeps the status of groups on their objects, by server-side apply.
 *
 * T1: nothing is written where nothing changed, and at most once a second and group.
 * T2: only the holder of the lease writes; who gets it later writes what has changed meanwhile.
 * T3: a write that fails is tried again, with the status of that moment; one that the server finds invalid at ever longer intervals, or as
 *     soon as there is another status to write.
 * T4: a group that was deleted, and made anew under the same name, never gets the status of the old one.
 * T5: a field of ours that the installed CustomResourceDefinition does not have, such as that of VM Operator, is left out, and the rest is
 *     written.
 * STORE-6: what the server has is compared, not what was written: a status that another writer has changed is written again, whether that was
 *     the late write of a process that led before, a person, another controller, or an etcd that was restored. A writer that keeps changing
 *     it is answered at ever longer intervals.
 * STORE-7: a status that the server finds too large is made smaller until it fits.
 */
import PQueue from 'p-queue';
import { KubernetesError, LEADER_WRITE_TIMEOUT, RESOURCES, type ApiServer } from '../../kubernetes';
import { objectKey, type ObjectKey } from '../manifests';
import type { GroupView, StatusStore } from '../status';
import { FIELD_MANAGER } from './field-manager';
import type { ClusterObjects } from './objects';
import { storedStatus, viewOfObject } from './status';
import { statusDigest } from './status-digest';
import { LEAST_STATUS_BYTES, STATUS_BYTES } from './status-size';

/** What {@link kubernetesStatusStore} needs. */
export interface KubernetesStatusStoreOptions {
  api: ApiServer;
  /** The groups as they are observed. */
  groups: Pick<ClusterObjects['groups'], 'get' | 'onChange'>;
  /** Left out: all namespaces. */
  namespaces?: readonly string[];
  /** T2. */
  isLeader: () => boolean;
  /** Told of a write (or without a group: of the first reading) that failed and is tried again. */
  onError?: (error: unknown, retryIn: number, group?: { namespace: string; name: string }) => void;
}

/** A {@link StatusStore} that has to be told when the lease came. */
export interface KubernetesStatusStore extends StatusStore {
  /** Writes what could not be written without the lease. */
  lead(): void;
  /** Writes since the start, for metrics. */
  readonly writes: number;
}

/** Milliseconds between two writes of one group. */
const WRITE_INTERVAL = 1_000;
/** Writes that are open at the same time. */
const CONCURRENCY = 16;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;
/** What is invalid now is most likely so the next time. */
const LONGEST_PAUSE_INVALID = 300_000;
/** Milliseconds between a write and its repetition where the server has something else: the watch may lag behind. */
const FIRST_REPAIR = 2_000;
const LONGEST_REPAIR = 60_000;
/** What remains of the bytes of a status that is too large. */
const SMALLER = 0.6;
/** Milliseconds between two tries to read. */
const LOAD_PAUSE = 1_000;
const PAGE = 500;

/** What is known of one group's status. Times are milliseconds of the clock of running time. */
interface Slot {
  view: GroupView;
  /** What was written last: the view, and digests of the status that was sent and of the one that the server then had. */
  written?: { view: GroupView; wanted: string; stored: string };
  lastWrite: number;
  /** Repetitions of a write in a row, because the server had something else. */
  repairs: number;
  failures: number;
  /** No write before this time, after a failure. */
  notBefore: number;
  /** The server found it invalid. */
  invalid?: { wanted: string; message: string };
  /** STORE-7, for one generation of the group. */
  budget: { generation: number; bytes: number };
  timer?: NodeJS.Timeout;
  /** When the timer is due. */
  due: number;
  open?: Promise<void>;
}

/** A status as it is to be written. */
interface Wanted {
  status: Record<string, unknown>;
  digest: string;
}

/** Makes a store. */
export function kubernetesStatusStore(options: KubernetesStatusStoreOptions): KubernetesStatusStore {
  const { api, groups, namespaces, isLeader, onError = () => undefined } = options;
  const slots = new Map<ObjectKey, Slot>();
  const queue = new PQueue({ concurrency: CONCURRENCY });
  /** T5. */
  const undeclared = new Set<string>();
  let writes = 0;
  groups.onChange(({ key, object }) => {
    if (object && object.statusDigest !== slots.get(key)?.written?.stored) schedule(key);
  });

  /** An API server that is away is waited for. */
  async function load(): Promise<GroupView[]> {
    for (;;) {
      try {
        return await loadOnce();
      } catch (error: unknown) {
        onError(error, LOAD_PAUSE);
        await new Promise((over) => setTimeout(over, LOAD_PAUSE));
      }
    }
  }

  async function loadOnce(): Promise<GroupView[]> {
    const views: GroupView[] = [];
    for (const namespace of namespaces ?? [undefined]) {
      let next: string | undefined;
      do {
        const page = await api.list(RESOURCES.virtualMachineGroups, {
          ...(namespace !== undefined && { namespace }),
          limit: PAGE,
          ...(next !== undefined && { continue: next }),
        });
        views.push(...page.items.flatMap((object) => viewOfObject(object) ?? []));
        next = page.metadata.continue || undefined;
      } while (next !== undefined);
    }
    return views;
  }

  function save(view: GroupView): void {
    const key = objectKey(view.metadata);
    const slot = slots.get(key);
    if (slot) {
      slot.view = view;
      if (slot.invalid && slot.invalid.wanted !== wantedOf(slot).digest) giveAnotherTry(slot);
    } else {
      const { generation } = view.metadata;
      slots.set(key, {
        ...{ view, lastWrite: -Infinity, repairs: 0, failures: 0, notBefore: 0, due: 0 },
        budget: { generation, bytes: STATUS_BYTES },
      });
    }
    schedule(key);
  }

  /** T3. */
  function giveAnotherTry(slot: Slot): void {
    delete slot.invalid;
    slot.failures = 0;
    slot.notBefore = 0;
  }

  function schedule(key: ObjectKey, at = 0): void {
    const slot = slots.get(key);
    if (!slot || !isLeader()) return;
    const due = Math.max(at, slot.lastWrite + WRITE_INTERVAL, slot.notBefore, performance.now());
    if (slot.timer && slot.due <= due) return;
    clearTimeout(slot.timer);
    slot.due = due;
    slot.timer = setTimeout(() => void writeNow(key), due - performance.now());
  }

  /** One write of a group at a time. */
  function writeNow(key: ObjectKey): Promise<void> {
    const slot = slots.get(key);
    if (!slot) return Promise.resolve();
    clearTimeout(slot.timer);
    delete slot.timer;
    const open = (slot.open ?? Promise.resolve()).then(() => queue.add(() => bring(key, slot)));
    slot.open = open;
    return open.then(() => {
      if (slot.open === open) delete slot.open;
    });
  }

  function wantedOf({ view, budget }: Slot): Wanted {
    const bytes = budget.generation === view.metadata.generation ? budget.bytes : STATUS_BYTES;
    const fields = Object.entries(storedStatus(view, bytes)).filter(([field]) => !undeclared.has(field));
    const status = Object.fromEntries(fields);
    return { status, digest: statusDigest({ metadata: view.metadata, status }) };
  }

  /** Writes the status where the server has another one. */
  async function bring(key: ObjectKey, slot: Slot): Promise<void> {
    if (slots.get(key) !== slot || !isLeader()) return;
    const { view, written } = slot;
    if (written?.view === view && written.stored === groups.get(key)?.statusDigest) return;
    const wanted = wantedOf(slot);
    const repairAt = repairTime(key, slot, wanted);
    if (repairAt === undefined) return;
    if (repairAt > performance.now()) return schedule(key, repairAt);
    await write(key, slot, wanted);
  }

  /** STORE-6: when the status may be written; undefined where the server has it. */
  function repairTime(key: ObjectKey, slot: Slot, wanted: Wanted): number | undefined {
    const observed = groups.get(key)?.statusDigest;
    const isWritten = slot.written?.wanted === wanted.digest;
    const pause = Math.min(FIRST_REPAIR * 2 ** slot.repairs, LONGEST_REPAIR);
    if (
      observed === wanted.digest ||
      (isWritten && (observed ?? slot.written?.stored) === slot.written?.stored)
    ) {
      if (performance.now() - slot.lastWrite > 2 * pause) slot.repairs = 0;
      return undefined;
    }
    return isWritten ? slot.lastWrite + pause : 0;
  }

  async function write(key: ObjectKey, slot: Slot, { status, digest }: Wanted): Promise<void> {
    const { view } = slot;
    const { namespace, name, uid } = view.metadata;
    slot.repairs = slot.written?.wanted === digest ? slot.repairs + 1 : 0;
    slot.lastWrite = performance.now();
    try {
      writes += 1;
      const stored = await api.apply(
        RESOURCES.virtualMachineGroups,
        { metadata: { namespace, name, uid }, status },
        { fieldManager: FIELD_MANAGER, subresource: 'status', timeout: LEADER_WRITE_TIMEOUT },
      );
      slot.written = { view, wanted: digest, stored: statusDigest(stored) };
      giveAnotherTry(slot);
      // The watch may have brought the status of another writer meanwhile, and a newer view may have come.
      schedule(key);
    } catch (error: unknown) {
      // It may have been written all the same.
      delete slot.written;
      failed(key, slot, { status, digest }, error);
    }
  }

  function failed(key: ObjectKey, slot: Slot, sent: Wanted, error: unknown): void {
    const fields = undeclaredFields(error).filter((field) => Object.hasOwn(sent.status, field));
    if (fields.length > 0) {
      for (const field of fields) undeclared.add(field);
      return schedule(key);
    }
    if (isTooLarge(error) && makeSmaller(slot)) return schedule(key);
    const refused = isTooLarge(error) || (error instanceof KubernetesError && error.code === 422);
    const invalid = refused ? error.message : undefined;
    if (invalid !== undefined && wantedOf(slot).digest !== sent.digest) {
      // Another status came while this one was under way.
      giveAnotherTry(slot);
      return schedule(key);
    }
    slot.failures += 1;
    const retryIn = pauseAfter(slot.failures, invalid !== undefined);
    slot.notBefore = performance.now() + retryIn;
    // T4: a group that is gone, or another one by now; the source will tell, and then nothing is written, or the status of that one.
    const gone = error instanceof KubernetesError && (error.isNotFound || error.isConflict);
    const isSaid = invalid !== undefined && slot.invalid?.message === invalid;
    if (invalid === undefined) delete slot.invalid;
    else slot.invalid = { wanted: sent.digest, message: invalid };
    if (!gone && !isSaid) onError(error, retryIn, slot.view.metadata);
    schedule(key);
  }

  /** STORE-7; false where it is as small as it can be. */
  function makeSmaller(slot: Slot): boolean {
    const { generation } = slot.view.metadata;
    const before = slot.budget.generation === generation ? slot.budget.bytes : STATUS_BYTES;
    if (before <= LEAST_STATUS_BYTES) return false;
    slot.budget = { generation, bytes: Math.max(LEAST_STATUS_BYTES, Math.floor(before * SMALLER)) };
    return true;
  }

  function remove(group: { namespace: string; name: string }): void {
    const key = objectKey(group);
    clearTimeout(slots.get(key)?.timer);
    slots.delete(key);
  }

  return {
    load,
    save,
    remove,
    lead: () => {
      for (const [key, slot] of slots) {
        // Another process has written meanwhile.
        delete slot.written;
        schedule(key);
      }
    },
    get writes() {
      return writes;
    },
    flush: async () => {
      await Promise.all([...slots.keys()].map(writeNow));
      for (const slot of slots.values()) {
        clearTimeout(slot.timer);
        delete slot.timer;
      }
    },
  };
}

/** T3: milliseconds before the next try, after so many failures in a row. */
export function pauseAfter(failures: number, isInvalid: boolean): number {
  return Math.min(FIRST_PAUSE * 2 ** (failures - 1), isInvalid ? LONGEST_PAUSE_INVALID : LONGEST_PAUSE);
}

/** T5: the fields of `status` that the server says its schema does not have. */
function undeclaredFields(error: unknown): string[] {
  if (!(error instanceof KubernetesError)) return [];
  const found = error.message.matchAll(/\.status\.(\w+)\b[^\n]*?: field not declared in schema/g);
  return [...found].flatMap(([, field]) => (field === undefined ? [] : [field]));
}

/** STORE-7: the API server's own limit (413), or that of etcd, which it passes on as an internal error. */
function isTooLarge(error: unknown): error is KubernetesError {
  if (!(error instanceof KubernetesError)) return false;
  return error.code === 413 || /request is too large|message larger than max/.test(error.message);
}
