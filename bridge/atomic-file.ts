/** Files that a reader sees whole or not at all, also after a crash. */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

let counter = 0;

/** Replaces a file in one step; makes its folder. Rejects with the error of the file system. */
export async function writeAtomically(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  // Short, also where the name of the file is as long as names can be.
  const draft = join(dirname(path), `.${process.pid}.${(counter += 1)}.tmp`);
  try {
    const file = await open(draft, 'w');
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error: unknown) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Text of a file; undefined where there is none. Rejects with any other error of the file system. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error: unknown) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Whether an error of the file system says that there is no such file or folder. */
export function isMissing(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ENOTDIR';
}
