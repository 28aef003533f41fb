/** Runs the built command as people do: as a process of its own. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcessByStdio } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';

const root = path.join(__dirname, '../..');
const main = path.join(root, 'dist/cli/main.js');
const quickClientNode = path.join(__dirname, '../support/quick-client-node.js');

/** Builds `dist/` where a source is newer, once for all test files that ask at the same time. */
export function buildWhenStale(): void {
  const lock = path.join(root, 'node_modules/.vmgroup-build');
  for (;;) {
    if (isFresh()) return;
    try {
      mkdirSync(lock);
      break;
    } catch {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
      if (Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > 120_000)
        rmSync(lock, { recursive: true, force: true });
    }
  }
  try {
    const built = spawnSync(process.execPath, ['scripts/build.mjs'], { cwd: root, encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`the build failed: ${built.stdout}${built.stderr}`);
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

function isFresh(): boolean {
  const built = statSync(path.join(root, 'dist/workflow-bundle.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const config = readFileSync(path.join(root, 'tsconfig.build.json'), 'utf8');
  const { include: folders } = JSON.parse(config) as { include: string[] };
  // A clone does not have a folder that holds nothing yet.
  const present = folders.filter((folder) => existsSync(path.join(root, folder)));
  return present.every((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, withFileTypes: true }).every(
      (entry) => !entry.isFile() || statSync(path.join(entry.parentPath, entry.name)).mtimeMs <= built,
    ),
  );
}

/** What a command said, and how it ended. */
export interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end. Unlike a long-running command, it loads client-node from one file. */
export async function vmgroup(
  args: string[],
  {
    cwd = root,
    env = {},
    input = '',
  }: { cwd?: string; env?: NodeJS.ProcessEnv; input?: string | Buffer } = {},
): Promise<Result> {
  const child = start(args, { cwd, env, preload: ['--require', quickClientNode] });
  // A command that ends without reading all of it closes the pipe.
  child.stdin.on('error', () => undefined).end(input);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })));
}

/** Starts a command that runs until it is stopped; `program` if it is not the one of this build. */
export function start(
  args: string[],
  {
    cwd = root,
    env = {},
    program = main,
    preload = [],
  }: { cwd?: string; env?: NodeJS.ProcessEnv; program?: string; preload?: string[] } = {},
): ChildProcessByStdio<Writable, Readable, Readable> {
  // The environment of the user who runs the tests must not lead a command to that user's Temporal server.
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^TEMPORAL_|^VMGROUP_DATA$|^NODE_OPTIONS$/.test(name)),
  );
  return spawn(process.execPath, [...preload, program, ...args], {
    cwd,
    env: { ...inherited, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}
