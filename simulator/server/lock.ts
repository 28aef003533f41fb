/**
 * One process a journal.
 *
 * JOURNALLOCK-1: while a simulator holds the lock, a second one on the same folder fails and names the holder, also from another container.
 * JOURNALLOCK-2: the lock of a process that was killed is taken over.
 * JOURNALLOCK-3: a simulator that was paused for so long that another one has taken its lock over writes no more, once it has noticed that.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { LockedError, takeLock, type Lock } from '../../files';

/** Thrown where another simulator works on the folder. */
export class SimulatorInUseError extends Error {
  override readonly name = 'SimulatorInUseError';
  constructor(dataDir: string, { pid, note, isHere }: LockedError) {
    super(
      `the simulated platform in ${dataDir} is in use by process ${pid}${isHere ? ` at ${String(note['address'])}` : ' in another container or on another host'}; ` +
        'stop that process, or use another folder',
    );
  }
}

/**
 * Takes the lock of `dataDir` for a simulator at `address`. `onLost` is called if another process takes the lock over.
 *
 * @throws SimulatorInUseError
 */
export async function lockJournal(dataDir: string, address: string, onLost: () => void): Promise<Lock> {
  await mkdir(dataDir, { recursive: true });
  try {
    return await takeLock(join(dataDir, 'lock'), { note: { address }, onLost });
  } catch (error: unknown) {
    throw error instanceof LockedError ? new SimulatorInUseError(dataDir, error) : error;
  }
}
