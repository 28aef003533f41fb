/** Finds and reads manifest files. */
import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, relative, resolve, sep } from 'node:path';
import { MAX_FILE_SIZE } from '../api';
import { isMissing } from './atomic-file';
import type { WatchedFolder } from './folder-watch';

/** Most manifest files that are read. */
export const MAX_FILES = 10_000;

const EXTENSIONS = new Set(['.yaml', '.yml', '.json']);

/** One manifest file. */
export interface ManifestFile {
  path: string;
  text: string;
  /** Change time, milliseconds since the epoch. */
  changedAt: number;
}

/** What was found under a set of paths. */
export interface ManifestFiles {
  files: ManifestFile[];
  /** Files and folders that are there and could not be read, with the reason: what they held is unknown. */
  unreadable: { path: string; message: string }[];
  /** Where a change of what was found would show. */
  folders: WatchedFolder[];
}

/** A file as it was read last, so that an unchanged one is not read again. */
type Cached = ManifestFile & { signature: string };

/** Whether a path below `root` is looked at: a manifest by its ending, no part of it hidden, not under one of `ignore`. */
export function isLookedAt(root: string, path: string, ignore: string[], isFile: boolean): boolean {
  if (ignore.some((folder) => isWithin(folder, path))) return false;
  const below = relative(root, path);
  if (below === '') return true;
  if (below.split(sep).some((part) => part.startsWith('.') || part === 'node_modules')) return false;
  return !isFile || EXTENSIONS.has(extname(path).toLowerCase());
}

/** Whether a path is a folder itself, or lies in it. */
export function isWithin(folder: string, path: string): boolean {
  const absolute = resolve(path);
  const base = resolve(folder);
  return absolute === base || absolute.startsWith(base.endsWith(sep) ? base : base + sep);
}

/** Makes a reader of manifest files that keeps what did not change. `ignore` names folders that are left out. */
export function manifestReader(paths: string[], ignore: string[] = []): { read(): Promise<ManifestFiles> } {
  let cache = new Map<string, Cached>();
  /** Roots that were folders: one that is gone is a lost mount, not a deletion of all that was in it. */
  const folders = new Set<string>();

  async function read(): Promise<ManifestFiles> {
    const found: ManifestFiles = { files: [], unreadable: [], folders: [] };
    const next = new Map<string, Cached>();
    const visit = async (root: string, path: string): Promise<void> => {
      if (next.has(path) || next.size >= MAX_FILES) return;
      const kind = await kindOf(path);
      if (path === root && kind !== 'folder' && !folders.has(root)) {
        found.folders.push({ folder: dirname(path), only: basename(path) });
      }
      if (kind === 'folder') {
        if (path === root) folders.add(root);
        if (!isLookedAt(root, path, ignore, false)) return;
        found.folders.push({ folder: path });
        for (const name of (await readdir(path)).sort()) await attempt(root, join(path, name));
      } else if (kind === 'file' && isLookedAt(root, path, ignore, true)) {
        const file = await readWhole(path, cache.get(path));
        if (file) {
          next.set(path, file);
          found.files.push({ path, text: file.text, changedAt: file.changedAt });
        }
      } else if (path === root && folders.has(root)) {
        throw new Error('the folder is gone');
      }
    };
    const attempt = async (root: string, path: string): Promise<void> => {
      try {
        await visit(root, path);
      } catch (error: unknown) {
        found.unreadable.push({ path, message: error instanceof Error ? error.message : String(error) });
      }
    };
    for (const root of paths) await attempt(root, root);
    if (next.size >= MAX_FILES) {
      found.unreadable.push({ path: paths[0] ?? '.', message: `more than ${MAX_FILES} manifest files` });
    }
    cache = next;
    return found;
  }

  return { read };
}

async function kindOf(path: string): Promise<'file' | 'folder' | 'other'> {
  try {
    const stats = await stat(path);
    return stats.isDirectory() ? 'folder' : stats.isFile() ? 'file' : 'other';
  } catch (error: unknown) {
    if (isMissing(error)) return 'other';
    throw error;
  }
}

/** Reads a file through one handle, so that text and times belong together also while it is replaced; undefined once it is gone. */
async function readWhole(path: string, cached: Cached | undefined, tries = 3): Promise<Cached | undefined> {
  let handle;
  try {
    handle = await open(path, 'r');
  } catch (error: unknown) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  try {
    const before = await handle.stat();
    const signature = signatureOf(before);
    if (cached?.signature === signature) return cached;
    if (before.size > MAX_FILE_SIZE) {
      throw new Error(`${basename(path)} has ${before.size} bytes; ${MAX_FILE_SIZE} are allowed`);
    }
    const text = await handle.readFile('utf8');
    if (signatureOf(await handle.stat()) !== signature && tries > 1) {
      return await readWhole(path, undefined, tries - 1);
    }
    return { path, text, changedAt: Math.round(before.ctimeMs), signature };
  } finally {
    await handle.close();
  }
}

function signatureOf(stats: { ino: number; size: number; mtimeMs: number; ctimeMs: number }): string {
  return [stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join(':');
}
