/**
 * One process a journal.
 *
 * L1: while a simulator holds the lock, a second one on the same folder fails and names the holder.
 * L2: the lock of a process that was killed is taken over: a holder is alive only if it answers at its address with its own id, so
 *     neither a left-over file nor a process number that was given out again keeps anybody out.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';

/** Who holds a lock. */
export interface Holder {
  pid: number;
  /** Unique for one start. */
  instance: string;
  address: string;
}

/** Thrown where another simulator works on the folder. */
export class SimulatorInUseError extends Error {
  override readonly name = 'SimulatorInUseError';
  constructor(
    readonly dataDir: string,
    readonly holder: Holder,
  ) {
    super(
      `the simulated platform in ${dataDir} is in use by process ${holder.pid} at ${holder.address}; stop that process, or use another folder`,
    );
  }
}

/** Milliseconds that a holder gets to answer. One that is stopped or busy counts as alive. */
const ANSWER_TIMEOUT = 2_000;

/**
 * Takes the lock of `dataDir`; resolves with the function that gives it back. `holder.address` must answer already.
 *
 * @throws SimulatorInUseError
 */
export async function takeLock(dataDir: string, holder: Holder): Promise<() => Promise<void>> {
  await mkdir(dataDir, { recursive: true });
  const path = join(dataDir, 'lock');
  for (;;) {
    if (await create(path, holder)) return () => release(path, holder);
    const other = await read(path);
    if (other === 'gone') continue;
    if (other !== 'unreadable' && (await isAlive(other))) throw new SimulatorInUseError(dataDir, other);
    await takeAway(path, dataDir, other);
  }
}

/** Creates the lock with its whole content in one step; false where there is one. */
async function create(path: string, holder: Holder): Promise<boolean> {
  const draft = `${path}.${holder.instance}`;
  await writeFile(draft, JSON.stringify(holder));
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

async function read(path: string): Promise<Holder | 'gone' | 'unreadable'> {
  try {
    const holder = JSON.parse(await readFile(path, 'utf8')) as Partial<Holder> | null;
    const { pid, instance, address } = holder ?? {};
    return typeof pid === 'number' && typeof instance === 'string' && typeof address === 'string'
      ? { pid, instance, address }
      : 'unreadable';
  } catch (error: unknown) {
    return codeOf(error) === 'ENOENT' ? 'gone' : 'unreadable';
  }
}

/** Removes a left-over lock; one that somebody else has put in its place meanwhile is put back. */
async function takeAway(path: string, dataDir: string, stale: Holder | 'unreadable'): Promise<void> {
  const aside = `${path}.stale.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error: unknown) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  const found = await read(aside);
  if (typeof found !== 'string' && (stale === 'unreadable' || found.instance !== stale.instance)) {
    await link(aside, path).catch(() => undefined);
    await rm(aside, { force: true });
    throw new SimulatorInUseError(dataDir, found);
  }
  await rm(aside, { force: true });
}

async function release(path: string, holder: Holder): Promise<void> {
  const present = await read(path);
  if (typeof present !== 'string' && present.instance === holder.instance) await rm(path, { force: true });
}

function isAlive({ pid, instance, address }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error: unknown) {
    if (codeOf(error) === 'ESRCH') return Promise.resolve(false);
  }
  return new Promise((resolve) => {
    const call = request(`${address}/v1/health`, { timeout: ANSWER_TIMEOUT, agent: false }, (response) => {
      response.resume();
      resolve(response.headers['x-instance'] === instance);
    });
    call.on('timeout', () => {
      resolve(true);
      call.destroy();
    });
    call.on('error', () => resolve(false));
    call.end();
  });
}

function codeOf(error: unknown): string | undefined {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : undefined;
}
