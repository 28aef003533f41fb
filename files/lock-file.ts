/** The file of a lock: what it holds, and how it is created, read and taken away in one step each. */
import { randomUUID } from 'node:crypto';
import { link, open, readFile, rename, rm, writeFile } from 'node:fs/promises';

/** What a lock file holds. */
export interface LockContent {
  pid: number;
  /** `startedAt` of the pid. */
  processStart: string;
  /** `pidSpace`; absent in locks of older builds. */
  pidSpace?: string;
  /** Unique for one lock. */
  instance: string;
  note: Record<string, unknown>;
}

/** Creates the file with its whole content in one step. False if it exists. */
export async function createLockFile(path: string, content: LockContent): Promise<boolean> {
  const draft = `${path}.${content.instance}`;
  await writeFile(draft, JSON.stringify(content));
  try {
    await link(draft, path);
    return true;
  } catch (error: unknown) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Removes a file whose holder is gone. A file that another process has put in its place in the meantime is put back. */
export async function removeStale(path: string, stale: string): Promise<void> {
  const aside = `${path}.stale.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  try {
    if ((await readText(aside)) !== stale) await link(aside, path).catch(() => undefined);
  } finally {
    await rm(aside, { force: true });
  }
}

/** When the file was last renewed, by the clock of the file system. It is opened, since a shared file system may answer from a cache otherwise. */
export async function renewedAt(path: string): Promise<number | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      return (await file.stat()).mtimeMs;
    } finally {
      await file.close();
    }
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The text of the file; undefined if there is none. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** What the text of a file says; undefined if it is not a lock of ours, or only half of one. */
export function parseLock(text: string): LockContent | undefined {
  try {
    const content = (JSON.parse(text) ?? {}) as Partial<LockContent>;
    const { pid, processStart, instance = '', note = {} } = content;
    if (typeof pid !== 'number' || typeof processStart !== 'string') return undefined;
    return {
      pid,
      processStart,
      instance,
      note,
      ...(content.pidSpace !== undefined && { pidSpace: content.pidSpace }),
    };
  } catch {
    return undefined;
  }
}

function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined;
}
