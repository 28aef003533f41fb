/** Reads one manifest file, and what there is to know of a path. */
import type { Stats } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { decodeText, MAX_FILE_SIZE } from '../../api';
import { isMissing } from '../../files/atomic-file';

/** One manifest file. */
export interface ManifestFile {
  path: string;
  text: string;
  /** Change time, milliseconds since the epoch. */
  changedAt: number;
}

/** A file with what shows whether it has changed, so that an unchanged one is not read again. */
export type CachedFile = ManifestFile & { signature: string };

/** What a path leads to after links, with its device and inode. Rejects with the error of the file system, unless nothing is there. */
export async function lookAt(path: string): Promise<{ kind: 'file' | 'folder' | 'other'; identity: string }> {
  try {
    const stats = await stat(path);
    const identity = `${stats.dev}:${stats.ino}`;
    return { kind: stats.isDirectory() ? 'folder' : stats.isFile() ? 'file' : 'other', identity };
  } catch (error: unknown) {
    if (isMissing(error)) return { kind: 'other', identity: '' };
    throw error;
  }
}

/**
 * Reads a file through one handle, so that text and times belong together also while it is replaced; undefined if it does not exist.
 *
 * @throws Error if the file is too large or no text, or cannot be read.
 */
export async function readWhole(
  path: string,
  cached: CachedFile | undefined,
  tries = 3,
): Promise<CachedFile | undefined> {
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
    const text = decodeText(await handle.readFile());
    if (signatureOf(await handle.stat()) !== signature && tries > 1) {
      return await readWhole(path, undefined, tries - 1);
    }
    return { path, text, changedAt: Math.round(before.ctimeMs), signature };
  } finally {
    await handle.close();
  }
}

function signatureOf(stats: Stats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeMs, stats.ctimeMs].join(':');
}
