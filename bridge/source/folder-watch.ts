/**
 * Watches folders, not files: a watch of a file follows its old content when the file is replaced, and loses the next replacement if that
 * comes soon after. A folder reports each.
 *
 * A watch belongs to the folder that its path led to. When the path leads elsewhere, because a link was replaced or a folder was moved away,
 * {@link FolderWatch.set} watches the new one. The library chokidar does not notice that.
 */
import { watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';
import { isMissing } from '../../files/atomic-file';

/** One folder to watch. */
export interface WatchedFolder {
  folder: string;
  /** Only changes of the entry of this name count. Absent: of every entry. */
  only?: string;
}

/** A set of watched folders. */
export interface FolderWatch {
  /** Watches these folders and no others from now on; tells whether one is new, so that what happened in it before may be unseen. */
  set(folders: WatchedFolder[]): Promise<boolean>;
  close(): void;
}

/** Entries of a folder whose changes count. */
type Names = Set<string> | 'all';

interface Watched {
  watcher: FSWatcher;
  /** Device and inode of the folder. */
  identity: string;
  names: Names;
}

/** Makes a watch of no folder yet. `changed` is called on each change of an entry. */
export function folderWatch(changed: () => void, onWarning: (message: string) => void): FolderWatch {
  const watched = new Map<string, Watched>();
  let closed = false;

  function drop(folder: string): void {
    watched.get(folder)?.watcher.close();
    watched.delete(folder);
  }

  function add(folder: string, identity: string, names: Names): boolean {
    try {
      const watcher = watch(folder, (_event, name) => {
        const { names: counting = 'all' } = watched.get(folder) ?? {};
        // Without a name, or with that of the folder itself, anything may have happened.
        if (counting === 'all' || name === null || counting.has(name)) changed();
      });
      watcher.on('error', (error) => {
        drop(folder);
        onWarning(`Watching ${folder} failed: ${error.message}`);
        changed();
      });
      watched.set(folder, { watcher, identity, names });
      return true;
    } catch (error: unknown) {
      // Gone since it was read: the next reading tells.
      if (!isMissing(error))
        onWarning(`Watching ${folder} failed: ${String(error)}; it is read from time to time`);
      return false;
    }
  }

  /** Whether the watch is new, or counts more entries than before. */
  async function watchOne(folder: string, names: Names): Promise<boolean> {
    const identity = await identityOf(folder);
    if (closed) return false;
    const before = watched.get(folder);
    if (!before || before.identity !== identity) {
      drop(folder);
      return identity !== undefined && add(folder, identity, names);
    }
    const grows = hasMore(names, before.names);
    before.names = names;
    return grows;
  }

  return {
    async set(folders) {
      const wanted = namesByFolder(folders);
      for (const folder of [...watched.keys()]) if (!wanted.has(folder)) drop(folder);
      let isNew = false;
      for (const [folder, names] of wanted) if (await watchOne(folder, names)) isNew = true;
      return isNew;
    },
    close() {
      closed = true;
      for (const folder of [...watched.keys()]) drop(folder);
    },
  };
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
    const { dev, ino } = await stat(folder);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
