/** Where the status of groups is kept. */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { ObjectName } from '../../api';
import { isMissing, writeAtomically } from '../../files/atomic-file';
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

/** Keeps each view in `<folder>/<namespace>/<name>.json`, written whole or not at all, at most once a second and group. */
export function fileStatusStore(
  folder: string,
  onError: (error: unknown) => void = () => undefined,
): StatusStore {
  const written = new Map<ObjectKey, string>();
  const waiting = new Map<ObjectKey, GroupView | undefined>();
  const timers = new Map<ObjectKey, NodeJS.Timeout>();
  const lastWrite = new Map<ObjectKey, number>();
  const open = new Map<ObjectKey, Promise<void>>();

  function fileOf(key: ObjectKey): string {
    const file = `${basename(key)}.json`;
    if (file.length <= MAX_FILE_NAME) return join(folder, `${key}.json`);
    // Names of objects have no "~", so this is that of no other group.
    const hash = createHash('sha256').update(key).digest('hex').slice(0, 32);
    return join(folder, dirname(key), `${basename(key).slice(0, 100)}~${hash}.json`);
  }

  async function write(key: ObjectKey): Promise<void> {
    if (!waiting.has(key)) return;
    const view = waiting.get(key);
    waiting.delete(key);
    lastWrite.set(key, performance.now());
    if (!view) {
      written.delete(key);
      await rm(fileOf(key), { force: true });
      return;
    }
    const text = `${JSON.stringify(view, undefined, 1)}\n`;
    if (written.get(key) === text) return;
    await writeAtomically(fileOf(key), text);
    written.set(key, text);
  }

  /** One write of a file at a time. */
  function writeNow(key: ObjectKey): Promise<void> {
    clearTimeout(timers.get(key));
    timers.delete(key);
    const next = (open.get(key) ?? Promise.resolve()).then(() => write(key)).catch(onError);
    open.set(key, next);
    void next.then(() => {
      if (open.get(key) === next) open.delete(key);
    });
    return next;
  }

  function put(key: ObjectKey, view: GroupView | undefined): void {
    waiting.set(key, view);
    if (timers.has(key)) return;
    const due = (lastWrite.get(key) ?? -Infinity) + WRITE_INTERVAL - performance.now();
    timers.set(
      key,
      setTimeout(() => void writeNow(key), Math.max(0, due)),
    );
  }

  return {
    load: () => readViews(folder),
    save: (view) => put(objectKey(view.metadata), view),
    remove: (group) => put(objectKey(group), undefined),
    flush: async () => {
      await Promise.all([...new Set([...waiting.keys(), ...open.keys()])].map(writeNow));
    },
  };
}

/** Keeps views in memory alone. */
export function memoryStatusStore(): StatusStore {
  const views = new Map<ObjectKey, GroupView>();
  return {
    load: async () => [...views.values()],
    save: (view) => void views.set(objectKey(view.metadata), view),
    remove: (group) => void views.delete(objectKey(group)),
    flush: async () => undefined,
  };
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
    return JSON.parse(await readFile(path, 'utf8')) as GroupView;
  } catch (error: unknown) {
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
