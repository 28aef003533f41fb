/**
 * The lock of a data folder.
 *
 * DATA-1: at most one process works on a data folder, even if two containers share it; the lock of a killed process is taken over (LOCK-1
 *     and LOCK-2 of files/lock.ts). Who finds a copy of a lock is not told to end the process that holds the original.
 */
import { mkdirSync, realpathSync } from 'node:fs';
import { LockedError, takeLock } from '../../files';
import { CliError } from '../errors';
import { quoted } from '../options/same-target';
import type { DataFolder } from './folder';
import type { UpRecord } from './record';

/**
 * Makes this process the only one that works on the folder (DATA-1); creates the folder.
 *
 * @param onLost called with the reason if this process is no longer the one: it has to end.
 * @returns the function that releases the lock.
 * @throws CliError if another process works on the folder, or it cannot be written.
 */
export async function lockFolder(
  folder: DataFolder,
  command: UpRecord['command'],
  onLost: (why: string) => void,
): Promise<() => Promise<void>> {
  try {
    mkdirSync(folder.dir, { recursive: true });
    const lock = await takeLock(folder.lock, {
      note: { command, dir: realpathSync(folder.dir) },
      onLost: () =>
        onLost(`another process has taken over the data folder ${folder.dir}, or the folder was removed`),
    });
    return () => lock.release();
  } catch (error: unknown) {
    if (error instanceof LockedError) throw inUse(folder, error);
    throw new CliError(
      `the data folder ${folder.dir} cannot be written`,
      ['choose another one with --data DIR'],
      { cause: error },
    );
  }
}

function inUse({ dir, lock }: DataFolder, { pid, note, isHere }: LockedError): CliError {
  const command = typeof note['command'] === 'string' ? note['command'] : 'up';
  const elsewhere = 'or start this one on other data: --data DIR';
  if (!isHere) {
    return new CliError(
      `vmgroup ${command} works on ${dir} already, in another container or on another host`,
      ['stop it there', elsewhere],
    );
  }
  const { dir: theirs = realpathSync(dir) } = note;
  if (theirs !== realpathSync(dir)) {
    return new CliError(
      `${dir} has the lock of vmgroup ${command} (pid ${pid}), which works on ${String(theirs)}`,
      [`if it is a copy of that folder: rm ${quoted(lock)}`, elsewhere],
    );
  }
  return new CliError(`vmgroup ${command} works on ${dir} already (pid ${pid})`, [
    'look at its groups from here: vmgroup watch',
    `stop it: kill ${pid}`,
    elsewhere,
  ]);
}
