/**
 * A lock file: one process works on what it stands for.
 *
 * LOCK-1: at most one process holds a lock, also where another one cannot see its pid: in another container, or on another host that shares
 *     the volume. Such a process is alive while it keeps renewing its lock; no two clocks are compared.
 * LOCK-2: the lock of a process that was killed is taken over: at once where its pid can be seen, otherwise after {@link STALE}. A process
 *     that is stopped or busy counts as alive where its pid can be seen.
 * LOCK-3: a process that finds its lock taken over, because it was paused for too long, is told.
 */
import { randomUUID } from 'node:crypto';
import { utimesSync } from 'node:fs';
import { link, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { pidSpace, startedAt } from './process-identity';

/** A lock that is held. */
export interface Lock {
  /** Gives it back. */
  release(): Promise<void>;
}

/** What {@link takeLock} needs. */
export interface LockOptions {
  /** Kept in the lock for whoever finds it taken; plain data. */
  note: Record<string, string | number>;
  /** Called once if another process has taken the lock over (LOCK-3): stop at once. */
  onLost: () => void;
}

/** Thrown where another process holds the lock. */
export class LockedError extends Error {
  override readonly name = 'LockedError';
  constructor(
    readonly path: string,
    readonly pid: number,
    /** Of the holder. */
    readonly note: Record<string, unknown>,
    /** Its pid is one of this container or host. */
    readonly isHere: boolean,
  ) {
    super(`${path} is held by process ${pid}${isHere ? '' : ' in another container or on another host'}`);
  }
}

/** Milliseconds between two renewals, and without one after which a holder that cannot be seen counts as gone. */
const RENEWAL = 2_000;
const STALE = 15_000;
/** Milliseconds between two looks at the lock of a holder that cannot be seen. */
const LOOK = 500;

interface Content {
  pid: number;
  /** {@link startedAt} of the pid. */
  processStart: string;
  /** {@link pidSpace}; older builds leave it out. */
  pidSpace?: string;
  /** Unique for one lock. */
  instance: string;
  note: Record<string, unknown>;
}

/**
 * Takes the lock in the file `path`, whose folder exists.
 *
 * @throws LockedError where another process holds it; error of the file system.
 */
export async function takeLock(path: string, { note, onLost }: LockOptions): Promise<Lock> {
  const mine: Content = {
    pid: process.pid,
    processStart: startedAt(process.pid) ?? '',
    pidSpace: pidSpace(),
    instance: randomUUID(),
    note,
  };
  while (!(await create(path, mine))) {
    const text = await readText(path);
    if (text === undefined) continue;
    const other = parse(text);
    if (other && (await isAlive(path, text, other))) throw refusal(path, other);
    await takeAway(path, text);
  }
  return held(path, mine, onLost);
}

/** Creates the lock with its whole content in one step; false where there is one. */
async function create(path: string, content: Content): Promise<boolean> {
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

/** LOCK-1, LOCK-2. */
async function isAlive(
  path: string,
  text: string,
  { pid, processStart, pidSpace: space }: Content,
): Promise<boolean> {
  if (space === undefined || space === pidSpace()) return startedAt(pid) === processStart;
  const before = await renewedAt(path);
  for (let waited = 0; waited < STALE; waited += LOOK) {
    await sleep(LOOK);
    if ((await readText(path)) !== text) return true;
    if ((await renewedAt(path)) !== before) return true;
  }
  return false;
}

/** Removes a lock whose holder is gone; one that another process has put in its place meanwhile is put back. */
async function takeAway(path: string, stale: string): Promise<void> {
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

function held(path: string, mine: Content, onLost: () => void): Lock {
  let renewing: Promise<void> | undefined;
  const isMine = async (): Promise<boolean> => {
    const text = await readText(path);
    return text !== undefined && parse(text)?.instance === mine.instance;
  };
  const renew = async (): Promise<void> => {
    if (!(await isMine())) {
      clearInterval(timer);
      return onLost();
    }
    const now = new Date();
    utimesSync(path, now, now);
  };
  // A renewal that fails is repeated: the volume may be away for a moment.
  const timer = setInterval(() => {
    renewing ??= renew()
      .catch(() => undefined)
      .then(() => (renewing = undefined));
  }, RENEWAL);
  timer.unref();
  return {
    release: async () => {
      clearInterval(timer);
      await renewing;
      if (await isMine()) await rm(path, { force: true });
    },
  };
}

/** When the file was last renewed, as the file system tells. Opened, since a shared file system may answer from a cache otherwise. */
async function renewedAt(path: string): Promise<number | undefined> {
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

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Undefined where the file is no lock of ours: what was left half written, or is not ours. */
function parse(text: string): Content | undefined {
  try {
    const {
      pid,
      processStart,
      pidSpace: space,
      instance,
      note,
    } = (JSON.parse(text) ?? {}) as Partial<Content>;
    if (typeof pid !== 'number' || typeof processStart !== 'string') return undefined;
    return {
      ...{ pid, processStart, instance: instance ?? '', note: note ?? {} },
      ...(space !== undefined && { pidSpace: space }),
    };
  } catch {
    return undefined;
  }
}

function refusal(path: string, { pid, note, pidSpace: space }: Content): LockedError {
  return new LockedError(path, pid, note, space === undefined || space === pidSpace());
}

function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined;
}
