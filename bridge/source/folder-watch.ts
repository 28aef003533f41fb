/**
 * Watches folders, not files: the watch of a file follows the old content when the file is replaced, and misses the next replacement if it
 * follows soon. The watch of a folder reports each replacement.
 *
 * A watch belongs to the folder that its path led to. When the path leads elsewhere, because a link was replaced or a folder was moved,
 * {@link FolderWatch.set} watches the new folder. The library chokidar does neither: it watches each file, and keeps to the old folder.
 */
import { watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isMissing } from '../../files/atomic-file';

/** One folder to watch. */
export interface WatchedFolder {
  folder: string;
  /** Only changes of this name in the folder count. Absent: of every name. */
  only?: string;
}

/** Names in a folder whose changes count. */
type Names = Set<string> | 'all';

interface Watched {
  watcher: FSWatcher;
  /** Device, inode and birth of the folder: a recreated one may get the inode of the deleted one. */
  identity: string;
  names: Names;
}

/** A set of watched folders, empty at first. */
export class FolderWatch {
  readonly #watched = new Map<string, Watched>();
  /** Folders that cannot be watched, and of which that was said. */
  readonly #unwatchable = new Set<string>();
  readonly #onChange: () => void;
  readonly #onWarning: (message: string) => void;
  #closed = false;

  /** `onChange` is called on each change in a watched folder, `onWarning` when a folder cannot be watched. */
  constructor(onChange: () => void, onWarning: (message: string) => void) {
    this.#onChange = onChange;
    this.#onWarning = onWarning;
  }

  /** Watches these folders and no others. Resolves to whether one is new, so that earlier changes in it may have been missed. */
  async set(folders: WatchedFolder[]): Promise<boolean> {
    const wanted = namesByFolder(folders);
    for (const folder of [...this.#watched.keys()]) if (!wanted.has(folder)) this.#drop(folder);
    for (const folder of this.#unwatchable) if (!wanted.has(folder)) this.#unwatchable.delete(folder);
    let isNew = false;
    for (const [folder, names] of wanted) if (await this.#watchOne(folder, names)) isNew = true;
    return isNew;
  }

  close(): void {
    this.#closed = true;
    for (const folder of [...this.#watched.keys()]) this.#drop(folder);
  }

  /** Whether the watch is new, or counts more names than before. */
  async #watchOne(folder: string, names: Names): Promise<boolean> {
    const identity = await identityOf(folder);
    if (this.#closed) return false;
    const before = this.#watched.get(folder);
    if (!before || before.identity !== identity) {
      this.#drop(folder);
      return identity !== undefined && this.#add(folder, identity, names);
    }
    const grows = hasMore(names, before.names);
    before.names = names;
    return grows;
  }

  #add(folder: string, identity: string, names: Names): boolean {
    try {
      const watcher = watch(folder, (_event, name) => {
        const { names: counting = 'all' } = this.#watched.get(folder) ?? {};
        // Without a name anything may have happened.
        if (counting === 'all' || name === null || counting.has(name)) this.#onChange();
      });
      watcher.on('error', (error) => {
        this.#drop(folder);
        this.#onWarning(`Failed to watch ${folder}: ${error.message}`);
        this.#onChange();
      });
      this.#watched.set(folder, { watcher, identity, names });
      this.#unwatchable.delete(folder);
      return true;
    } catch (error: unknown) {
      // A folder that was deleted since it was read is missing from the next reading.
      if (!isMissing(error)) this.#warnOnce(folder, error);
      return false;
    }
  }

  /** Each reading tries again. */
  #warnOnce(folder: string, error: unknown): void {
    if (this.#unwatchable.has(folder)) return;
    this.#unwatchable.add(folder);
    this.#onWarning(`Failed to watch ${folder}: ${String(error)}; it is read every half minute instead`);
  }

  #drop(folder: string): void {
    this.#watched.get(folder)?.watcher.close();
    this.#watched.delete(folder);
  }
}

function namesByFolder(folders: WatchedFolder[]): Map<string, Names> {
  const found = new Map<string, Names>();
  for (const { folder, only } of folders) {
    const before = found.get(folder) ?? new Set();
    if (only === undefined || before === 'all') found.set(folder, 'all');
    else found.set(folder, before.add(only));
  }
  return found;
}

function hasMore(names: Names, before: Names): boolean {
  if (before === 'all') return false;
  return names === 'all' || [...names].some((name) => !before.has(name));
}

async function identityOf(folder: string): Promise<string | undefined> {
  try {
    const { dev, ino, birthtimeMs } = await stat(folder);
    return `${dev}:${ino}:${birthtimeMs}`;
  } catch {
    return undefined;
  }
}
