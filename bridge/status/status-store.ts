/** Where the status of groups is kept. */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fieldsOf } from '../../api/unknown';
import type { ObjectName } from '../../api';
import { isMissing, writeAtomically } from '../../files/atomic-file';
import { doublingPause, WorkQueue } from '../../kubernetes';
import { objectKey, type ObjectKey } from '../manifests';
import type { GroupView } from './view';

/** Keeps the views of groups. */
export interface StatusStore {
  /** Every view that was kept before. */
  load(): Promise<GroupView[]>;
  /** Keeps a view; writes it soon, and only if it differs from what was written. */
  save(view: GroupView): void;
  /** Forgets a group. */
  remove(group: ObjectName): void;
  /** Resolves once everything is written. */
  flush(): Promise<void>;
}

/** Milliseconds between two writes of one group. */
const WRITE_INTERVAL = 1_000;

/** Longest name of a file on the file systems in use, bytes. */
const MAX_FILE_NAME = 255;

/** Files that are written at the same time. */
const CONCURRENCY = 16;

/** Milliseconds before a write that failed is retried; doubles with each failure in a row. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;

/**
 * Keeps each view in `<folder>/<namespace>/<name>.json`, written whole or not at all, at most once a second and group. `onError` is called when
 * a write failed and is retried.
 */
export function fileStatusStore(
  folder: string,
  onError: (error: unknown) => void = () => undefined,
): StatusStore {
  return new FileStatusStore(folder, onError);
}

class FileStatusStore implements StatusStore {
  readonly #folder: string;
  readonly #queue: WorkQueue;
  /** Views that are to be written; undefined: the file is to be removed. */
  readonly #waiting = new Map<ObjectKey, GroupView | undefined>();
  /** The text of each file. */
  readonly #written = new Map<ObjectKey, string>();
  readonly #lastWrite = new Map<ObjectKey, number>();

  constructor(folder: string, onError: (error: unknown) => void) {
    this.#folder = folder;
    this.#queue = new WorkQueue({
      concurrency: CONCURRENCY,
      work: (key) => this.#write(key),
      onError: (_key, error) => onError(error),
      pause: (failures) => doublingPause(failures, FIRST_PAUSE, LONGEST_PAUSE),
    });
  }

  load(): Promise<GroupView[]> {
    return readViews(this.#folder);
  }

  save(view: GroupView): void {
    this.#put(objectKey(view.metadata), view);
  }

  remove(group: ObjectName): void {
    this.#put(objectKey(group), undefined);
  }

  async flush(): Promise<void> {
    for (const key of this.#waiting.keys()) this.#queue.add(key);
    await this.#queue.flush();
  }

  #put(key: ObjectKey, view: GroupView | undefined): void {
    this.#waiting.set(key, view);
    const due = (this.#lastWrite.get(key) ?? -Infinity) + WRITE_INTERVAL - performance.now();
    this.#queue.add(key, Math.max(0, due));
  }

  async #write(key: ObjectKey): Promise<void> {
    if (!this.#waiting.has(key)) return;
    const view = this.#waiting.get(key);
    this.#lastWrite.set(key, performance.now());
    if (view) await this.#writeFile(key, view);
    else await this.#removeFile(key);
    // Unless there is a newer one by now.
    if (this.#waiting.get(key) === view) this.#waiting.delete(key);
  }

  async #writeFile(key: ObjectKey, view: GroupView): Promise<void> {
    const text = `${JSON.stringify(view, undefined, 1)}\n`;
    if (this.#written.get(key) === text) return;
    await writeAtomically(fileOf(this.#folder, key), text);
    this.#written.set(key, text);
  }

  async #removeFile(key: ObjectKey): Promise<void> {
    this.#written.delete(key);
    this.#lastWrite.delete(key);
    await rm(fileOf(this.#folder, key), { force: true });
  }
}

function fileOf(folder: string, key: ObjectKey): string {
  const file = `${basename(key)}.json`;
  if (file.length <= MAX_FILE_NAME) return join(folder, `${key}.json`);
  // Names of objects have no "~", so no other group has this file.
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 32);
  return join(folder, dirname(key), `${basename(key).slice(0, 100)}~${hash}.json`);
}

/** The views that a {@link fileStatusStore} wrote, by namespace and name. A file that cannot be read is left out. */
export async function readViews(folder: string): Promise<GroupView[]> {
  const views: GroupView[] = [];
  for (const namespace of await listFolder(folder)) {
    for (const file of await listFolder(join(folder, namespace))) {
      if (!file.endsWith('.json')) continue;
      const view = await readView(join(folder, namespace, file));
      if (view) views.push(view);
    }
  }
  return views;
}

async function listFolder(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error: unknown) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function readView(path: string): Promise<GroupView | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return isView(value) ? value : undefined;
  } catch (error: unknown) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Whether a value has what every view has: a file may have been cut, or written by hand. */
function isView(value: unknown): value is GroupView {
  const { metadata, spec, status, phase, message } = fieldsOf(value);
  const { namespace, name, uid } = fieldsOf(metadata);
  const { members, conditions } = fieldsOf(status);
  const areTexts = [namespace, name, uid, phase, message].every((each) => typeof each === 'string');
  const hasSpec = typeof spec === 'object' && spec !== null;
  return areTexts && hasSpec && Array.isArray(members) && Array.isArray(conditions);
}
