/**
 * Lock files: one process works on what a file stands for.
 *
 * LOCK-1: at most one process holds a lock, also if another one cannot see its pid, because that is in another container, or on another host
 *     that shares the volume. Such a process is alive while it keeps renewing its lock; clocks of two machines are not compared.
 * LOCK-2: the lock of a process that was killed is taken over: at once if its pid can be seen, otherwise after {@link STALE}. A process that is
 *     stopped or busy counts as alive if its pid can be seen.
 * LOCK-3: a process that was paused for so long that its lock was taken over is notified, at its next renewal. It can ask before that.
 */
import { randomUUID } from 'node:crypto';
import { utimesSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLockFile, parseLock, readText, removeStale, renewedAt, type LockContent } from './lock-file';
import { pidSpace, startedAt } from './process-identity';

/** A lock that is held. */
export interface Lock {
  /** Whether this process still holds it (LOCK-3). Rejects if the file cannot be read. */
  isHeld(): Promise<boolean>;
  /** Releases it. */
  release(): Promise<void>;
}

/** What {@link takeLock} needs. */
export interface LockOptions {
  /** Plain data in the lock, for the process that finds it held. */
  note: Record<string, string | number>;
  /** Called once if another process has taken the lock over (LOCK-3): stop at once. */
  onLost: () => void;
}

/** Thrown when another process holds the lock. */
export class LockedError extends Error {
  override readonly name = 'LockedError';
  constructor(
    readonly path: string,
    readonly pid: number,
    /** {@link LockOptions.note} of the holder. */
    readonly note: Record<string, unknown>,
    /** Its pid is one of this container or host. */
    readonly isHere: boolean,
  ) {
    super(`${path} is held by process ${pid}${isHere ? '' : ' in another container or on another host'}`);
  }
}

/** Milliseconds between two renewals, and milliseconds without one after which a holder that cannot be seen counts as gone. */
const RENEWAL = 2_000;
const STALE = 15_000;
/** Milliseconds between two reads of the lock of a holder that cannot be seen. */
const LOOK = 500;

/**
 * Takes the lock in the file `path`, whose folder exists.
 *
 * @throws LockedError when another process holds it; an error of the file system.
 */
export async function takeLock(path: string, { note, onLost }: LockOptions): Promise<Lock> {
  const mine: LockContent = {
    pid: process.pid,
    processStart: startedAt(process.pid) ?? '',
    pidSpace: pidSpace(),
    instance: randomUUID(),
    note,
  };
  while (!(await createLockFile(path, mine))) {
    const text = await readText(path);
    if (text === undefined) continue;
    const other = parseLock(text);
    const state = other ? await stateOf(path, text, other) : 'Gone';
    if (other && state === 'Alive') throw refusal(path, other);
    if (state === 'Gone') await removeStale(path, text);
  }
  return new HeldLock(path, mine.instance, onLost);
}

/** What is known of the holder of a lock (LOCK-1, LOCK-2). `Changed`: the file is another one by now, or there is none. */
async function stateOf(
  path: string,
  text: string,
  { pid, processStart, pidSpace: space }: LockContent,
): Promise<'Alive' | 'Gone' | 'Changed'> {
  if (space === undefined || space === pidSpace()) return startedAt(pid) === processStart ? 'Alive' : 'Gone';
  const before = await renewedAt(path);
  for (let waited = 0; waited < STALE; waited += LOOK) {
    await sleep(LOOK);
    const renewed = await renewedAt(path);
    if (renewed === undefined || (await readText(path)) !== text) return 'Changed';
    if (renewed !== before) return 'Alive';
  }
  return 'Gone';
}

function refusal(path: string, { pid, note, pidSpace: space }: LockContent): LockedError {
  return new LockedError(path, pid, note, space === undefined || space === pidSpace());
}

/** A lock of this process; it is renewed until it is released or lost. */
class HeldLock implements Lock {
  readonly #path: string;
  readonly #instance: string;
  readonly #onLost: () => void;
  readonly #timer: NodeJS.Timeout;
  #renewing: Promise<void> | undefined;

  constructor(path: string, instance: string, onLost: () => void) {
    this.#path = path;
    this.#instance = instance;
    this.#onLost = onLost;
    this.#timer = setInterval(() => this.#beat(), RENEWAL);
    this.#timer.unref();
  }

  async isHeld(): Promise<boolean> {
    const text = await readText(this.#path);
    return text !== undefined && parseLock(text)?.instance === this.#instance;
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    if (await this.isHeld()) await rm(this.#path, { force: true });
  }

  /** A renewal that fails is retried: the volume may be unavailable for a moment. */
  #beat(): void {
    this.#renewing ??= this.#renew()
      .catch(() => undefined)
      .then(() => (this.#renewing = undefined));
  }

  async #renew(): Promise<void> {
    if (await this.isHeld()) {
      const now = new Date();
      return utimesSync(this.#path, now, now);
    }
    clearInterval(this.#timer);
    this.#onLost();
  }
}
