/**
 * Watches folders, not files: a watch of a file follows its old content when the file is replaced, and loses the next replacement if that
 * comes soon after. A folder reports each.
 */
import { watch, type FSWatcher } from 'node:fs';
import { isMissing } from './atomic-file';

/** One folder to watch. */
export interface WatchedFolder {
  folder: string;
  /** Only changes of the entry of this name count. */
  only?: string;
}

/** A set of watched folders. */
export interface FolderWatch {
  /** Watches these folders and no others from now on; tells whether one is new, so that what happened in it before may be unseen. */
  set(folders: WatchedFolder[]): boolean;
  close(): void;
}

/** Makes a watch of no folder yet. `changed` is called on each change of an entry. */
export function folderWatch(changed: () => void, onWarning: (message: string) => void): FolderWatch {
  const watchers = new Map<string, FSWatcher>();

  function drop(key: string): void {
    watchers.get(key)?.close();
    watchers.delete(key);
  }

  function add(key: string, { folder, only }: WatchedFolder): boolean {
    try {
      const watcher = watch(folder, (_event, name) => {
        if (only === undefined || name === null || name === only) changed();
      });
      watcher.on('error', (error) => {
        drop(key);
        onWarning(`Watching ${folder} failed: ${error.message}`);
        changed();
      });
      watchers.set(key, watcher);
      return true;
    } catch (error: unknown) {
      // Gone since it was read: the next reading tells.
      if (!isMissing(error))
        onWarning(`Watching ${folder} failed: ${String(error)}; it is read from time to time`);
      return false;
    }
  }

  return {
    set(folders) {
      const wanted = new Map(folders.map((each) => [JSON.stringify([each.folder, each.only]), each]));
      for (const key of [...watchers.keys()]) if (!wanted.has(key)) drop(key);
      let isNew = false;
      for (const [key, each] of wanted) if (!watchers.has(key) && add(key, each)) isNew = true;
      return isNew;
    },
    close() {
      for (const key of [...watchers.keys()]) drop(key);
    },
  };
}
