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
 */
import PQueue from 'p-queue';
import { canonicalText } from '../../api';
import { KubernetesError, RESOURCES, type ApiServer, type KubernetesObject } from '../../kubernetes';
import { objectKey, type ObjectKey } from '../manifest-index';
import type { GroupView } from '../status';
import type { StatusStore } from '../status-store';
import { storedStatus, viewOfObject } from './status';

/** Field manager of everything that the bridge applies. */
export const FIELD_MANAGER = 'vmgroup-bridge';

/** What {@link kubernetesStatusStore} needs. */
export interface KubernetesStatusStoreOptions {
  api: ApiServer;
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
/** Milliseconds between two tries to read. */
const LOAD_PAUSE = 1_000;
const PAGE = 500;

/** What is known of one group's status. */
interface Slot {
  view: GroupView;
  /** What stands on the object, by {@link canonical}; undefined: not known. */
  written?: string;
  lastWrite: number;
  failures: number;
  /** The server found it invalid. */
  invalid?: { text: string; message: string };
  timer?: NodeJS.Timeout;
  open?: Promise<void>;
}

/** Makes a store. */
export function kubernetesStatusStore(options: KubernetesStatusStoreOptions): KubernetesStatusStore {
  const { api, namespaces, isLeader, onError = () => undefined } = options;
  const slots = new Map<ObjectKey, Slot>();
  const found = new Map<ObjectKey, string>();
  const queue = new PQueue({ concurrency: CONCURRENCY });
  /** T5. */
  const undeclared = new Set<string>();
  let writes = 0;

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
        for (const object of page.items) {
          const view = viewOfObject(object);
          if (!view) continue;
          views.push(view);
          found.set(objectKey(view.metadata), canonical(view.metadata.uid, object.status));
        }
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
      if (slot.invalid && slot.invalid.text !== textOf(view)) giveAnotherTry(slot);
    } else {
      const written = found.get(key);
      found.delete(key);
      slots.set(key, { view, lastWrite: 0, failures: 0, ...(written !== undefined && { written }) });
    }
    schedule(key);
  }

  /** T3. */
  function giveAnotherTry(slot: Slot): void {
    delete slot.invalid;
    slot.failures = 0;
    clearTimeout(slot.timer);
    delete slot.timer;
  }

  function schedule(key: ObjectKey, delay = 0): void {
    const slot = slots.get(key);
    if (!slot || slot.timer || !isLeader()) return;
    const due = Math.max(delay, slot.lastWrite + WRITE_INTERVAL - Date.now());
    slot.timer = setTimeout(() => void writeNow(key), Math.max(0, due));
  }

  /** One write of a group at a time. */
  function writeNow(key: ObjectKey): Promise<void> {
    const slot = slots.get(key);
    if (!slot) return Promise.resolve();
    clearTimeout(slot.timer);
    delete slot.timer;
    const open = (slot.open ?? Promise.resolve()).then(() => queue.add(() => write(key, slot)));
    slot.open = open;
    return open.then(() => {
      if (slot.open === open) delete slot.open;
    });
  }

  async function write(key: ObjectKey, slot: Slot): Promise<void> {
    const { metadata } = slot.view;
    if (slots.get(key) !== slot || !isLeader()) return;
    const status = storedStatus(slot.view);
    const text = canonical(metadata.uid, status);
    if (slot.written === text) return;
    slot.lastWrite = Date.now();
    try {
      const { namespace, name, uid } = metadata;
      const declared = Object.entries(status).filter(([field]) => !undeclared.has(field));
      const object: KubernetesObject = {
        metadata: { namespace, name, uid },
        status: Object.fromEntries(declared),
      };
      writes += 1;
      await api.apply(RESOURCES.virtualMachineGroups, object, {
        fieldManager: FIELD_MANAGER,
        subresource: 'status',
      });
      slot.written = text;
      slot.failures = 0;
      delete slot.invalid;
    } catch (error: unknown) {
      // It may have been written all the same.
      delete slot.written;
      const fields = undeclaredFields(error).filter((field) => !undeclared.has(field));
      if (fields.length > 0) {
        for (const field of fields) undeclared.add(field);
        return schedule(key);
      }
      const invalid = error instanceof KubernetesError && error.code === 422 ? error.message : undefined;
      if (invalid !== undefined && textOf(slot.view) !== text) {
        // Another status came while this one was under way.
        giveAnotherTry(slot);
        return schedule(key);
      }
      slot.failures += 1;
      const retryIn = pauseAfter(slot.failures, invalid !== undefined);
      // T4: a group that is gone, or another one by now; the source will tell, and then nothing is written, or the status of that one.
      const gone = error instanceof KubernetesError && (error.isNotFound || error.isConflict);
      const isSaid = invalid !== undefined && slot.invalid?.message === invalid;
      if (invalid === undefined) delete slot.invalid;
      else slot.invalid = { text, message: invalid };
      if (!gone && !isSaid) onError(error, retryIn, metadata);
      schedule(key, retryIn);
    }
  }

  function remove(group: { namespace: string; name: string }): void {
    const key = objectKey(group);
    clearTimeout(slots.get(key)?.timer);
    slots.delete(key);
    found.delete(key);
  }

  return {
    load,
    save,
    remove,
    lead: () => {
      for (const [key, slot] of slots) {
        // Another one has written meanwhile: what stands there is not known.
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

/** What stands on the object once the view is written, by {@link canonical}. */
function textOf(view: GroupView): string {
  return canonical(view.metadata.uid, storedStatus(view));
}

/** T5: the fields of `status` that the server says its schema does not have. */
function undeclaredFields(error: unknown): string[] {
  if (!(error instanceof KubernetesError)) return [];
  const found = error.message.matchAll(/\.status\.(\w+)\b[^\n]*?: field not declared in schema/g);
  return [...found].flatMap(([, field]) => (field === undefined ? [] : [field]));
}

/** A status as text, whatever the order of its keys: the server keeps an order of its own. */
function canonical(uid: string, status: unknown): string {
  return `${uid} ${canonicalText(status)}`;
}
