/**
 * The Temporal server of `vmgroup up`: a child process on loopback, its state one SQLite file in the data folder.
 *
 * TEMPORAL-SERVER-1: a server that dies while `up` lives is restarted on the same ports and the same file.
 * TEMPORAL-SERVER-2: a server that outlived a killed `up` is stopped before another one opens its file, and only if it really is that server.
 * TEMPORAL-SERVER-3: nothing listens beyond loopback.
 * TEMPORAL-SERVER-4: a server is used only if it is the process that was started here. Another one that takes the port, before the start or
 *     between two, is never taken for it: its workers would drive the VMs of these groups.
 * TEMPORAL-SERVER-5: no server outlives a process that ends, also one that ends while the server starts, or whose record of it cannot be written.
 *     After kill -9 the next `up` ends it (TEMPORAL-SERVER-2).
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { closeLog, openLog, type DataFolder, type UpRecord } from '../data-folder';
import { CliError, messageOf } from '../errors';
import { acceptsConnections, freePort } from './ports';
import { commandLine, endProcess } from './processes';

/** Ports that people expect, taken if they are free. */
const PREFERRED: Ports = { port: 7233, uiPort: 8233 };

/** Settings of our own servers, here and in tests. */
export const SERVER_SETTINGS: readonly string[] = [
  // The default, a rollback journal, takes two to five times as long for a commit.
  ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'],
  // By default the server aborts a workflow task when more than 100 events arrive meanwhile, and the run has to be replayed. With hundreds
  // of VMs that boot at once that happens again and again.
  ...['--dynamic-config-value', 'history.maximumBufferedEventsBatch=10000'],
  // The activities of a run that starts a thousand VMs at once. By default 512 KiB are kept, and the server reads the whole batch again for each
  // activity that it no longer has.
  ...['--dynamic-config-value', 'history.eventsCacheMaxSizeBytes=16777216'],
];

/** Longest wait for the server to start, milliseconds. */
const START_TIMEOUT = 30_000;

/** Milliseconds between two looks at a server that starts. */
const LOOK_INTERVAL = 30;

/** Bytes of a server's log in which it says whether it has started. */
const LOG_READ = 8_192;

/** Milliseconds that a server gets to close its file. */
const STOP_TIMEOUT = 5_000;

/** Pauses before a restart, milliseconds: they double with each server that dies within {@link STABLE_AFTER}. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 5_000;
const STABLE_AFTER = 60_000;

interface Ports {
  /** Of the gRPC service. */
  port: number;
  uiPort: number;
}

/** Options of {@link startTemporalServer}. */
export interface ServerOptions {
  /** Path of Temporal's command line tool. */
  cli: string;
  folder: DataFolder;
  /** Ports of the previous start, so that the UI keeps its address. */
  ports?: { port?: number | undefined; uiPort?: number | undefined };
  /** Name of each search attribute and its type. */
  searchAttributes: Readonly<Record<string, string>>;
  /** Ends a server that has not started yet. */
  signal: AbortSignal;
  /** Called with the pid of each server process, before anything else happens to it. */
  onSpawn(server: Ports & { pid: number }): void;
  /** Called when the server died and is restarted (TEMPORAL-SERVER-1). */
  onRestart(message: string): void;
  /** Called when the server died and is not restarted: another process has taken its port (TEMPORAL-SERVER-4), or its folder is gone. */
  onLost(message: string): void;
}

/** One process of the server. */
interface Launch extends Ports {
  child: ChildProcess;
  /** Bytes that the log had before. */
  logStart: number;
  /** Why there is no process; absent: there is one. */
  failure?: Error;
}

/**
 * Starts the server and waits until it listens; its services follow within a second.
 *
 * @throws CliError with the end of its log if it does not start; the signal's reason once that aborts.
 */
export async function startTemporalServer(options: ServerOptions): Promise<TemporalServer> {
  const { folder } = options;
  let ports = {
    port: await freePort(options.ports?.port ?? PREFERRED.port),
    uiPort: await freePort(options.ports?.uiPort ?? PREFERRED.uiPort),
  };
  let launched = launch(options, ports);
  if (!(await listens(launched, options))) {
    options.signal.throwIfAborted();
    // Another process may have taken a port after it was found free. The server does not always say so: it may also crash.
    ports = { port: await freePort(0), uiPort: await freePort(0) };
    launched = launch(options, ports);
    await listens(launched, options);
    options.signal.throwIfAborted();
  }
  if (hasExited(launched.child)) throw didNotStart(folder);
  return new TemporalServer(options, launched);
}

/**
 * Stops the server that an earlier `up` on the same folder left behind (TEMPORAL-SERVER-2).
 *
 * @returns the pid of the server that was stopped; undefined if there was none.
 */
export async function stopOrphan(
  folder: DataFolder,
  record: UpRecord | undefined,
): Promise<number | undefined> {
  const pid = record?.temporal?.pid ?? record?.orphan;
  if (pid === undefined || !commandLine(pid).includes(folder.temporalDb)) return undefined;
  await endProcess(pid, STOP_TIMEOUT);
  return pid;
}

/** A running server, restarted whenever it dies (TEMPORAL-SERVER-1). */
export class TemporalServer {
  readonly port: number;
  readonly uiPort: number;
  readonly #options: ServerOptions;
  #launched: Launch;
  #isStopping = false;

  constructor(options: ServerOptions, launched: Launch) {
    this.port = launched.port;
    this.uiPort = launched.uiPort;
    this.#options = options;
    this.#launched = launched;
    this.#keepAlive().catch((error: unknown) =>
      options.onLost(`the Temporal server died and cannot be started again: ${messageOf(error)}`),
    );
  }

  /** `host:port` of the gRPC service. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** `http://host:port`. */
  get ui(): string {
    return `http://127.0.0.1:${this.uiPort}`;
  }

  /** Pid of the present process. */
  pid(): number | undefined {
    return this.#launched.child.pid;
  }

  /** Stops the server and waits until it is gone. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const pid = this.pid();
    if (pid !== undefined) await endProcess(pid, STOP_TIMEOUT);
  }

  async #keepAlive(): Promise<void> {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      const startedAt = Date.now();
      const { child } = this.#launched;
      await exited(child);
      if (this.#isStopping) return;
      if (isPortTaken(this.#launched, this.#options.folder)) {
        this.#options.onLost(`another process has taken the Temporal server's port ${this.port}`);
        return;
      }
      if (Date.now() - startedAt > STABLE_AFTER) pause = FIRST_PAUSE;
      const { temporalLog } = this.#options.folder;
      this.#options.onRestart(
        `the Temporal server ${endOf(this.#launched)}, restarting it; its log: ${temporalLog}`,
      );
      await sleep(pause);
      // `stop` may have been called meanwhile, which the compiler cannot know.
      if (this.#isStopping as boolean) return;
      this.#launched = launch(this.#options, this);
    }
  }
}

function launch(options: ServerOptions, { port, uiPort }: Ports): Launch {
  const log = openLog(options.folder.temporalLog);
  const logStart = fstatSync(log).size;
  const child = spawn(options.cli, serverArguments(options, { port, uiPort }), {
    stdio: ['ignore', log, log],
    // Ctrl-C goes to every process of the terminal's group: the server must outlive the last calls of the worker.
    detached: true,
    cwd: options.folder.dir,
  });
  closeLog(log);
  const launched: Launch = { child, port, uiPort, logStart };
  child.on('error', (error) => (launched.failure = error));
  endWithThisProcess(child);
  try {
    if (child.pid !== undefined) options.onSpawn({ pid: child.pid, port, uiPort });
  } catch (error: unknown) {
    child.kill('SIGTERM');
    throw error;
  }
  return launched;
}

/** How a process has ended, in words. */
function endOf({ child, failure }: Launch): string {
  if (child.pid === undefined) return `did not start (${failure?.message ?? 'no process'})`;
  return `died (${child.signalCode ?? child.exitCode})`;
}

/** TEMPORAL-SERVER-5. */
function endWithThisProcess(child: ChildProcess): void {
  const end = (): void => void child.kill('SIGTERM');
  process.once('exit', end);
  child.once('exit', () => process.removeListener('exit', end));
}

function serverArguments({ folder, searchAttributes }: ServerOptions, { port, uiPort }: Ports): string[] {
  return [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', `${port}`, '--ui-port', `${uiPort}`],
    ...['--ui-disable-news-fetch', '--log-format', 'json', '--db-filename', folder.temporalDb],
    ...SERVER_SETTINGS,
    ...Object.entries(searchAttributes).flatMap(([name, type]) => ['--search-attribute', `${name}=${type}`]),
  ];
}

/** Waits until the process says that it listens on its port; false if it exits first, says nothing in time, or is not to go on. */
async function listens(
  launched: Launch,
  { folder, signal }: Pick<ServerOptions, 'folder' | 'signal'>,
): Promise<boolean> {
  const { child, port } = launched;
  // The port alone tells nothing: another process may have opened it.
  const saysSo = new RegExp(`Server:\\s+\\S+:${port}\\s`);
  for (const until = Date.now() + START_TIMEOUT; Date.now() < until && !signal.aborted;) {
    if (hasExited(child)) return false;
    if (saysSo.test(logOf(launched, folder)) && (await acceptsConnections(port))) return true;
    await sleep(LOOK_INTERVAL);
  }
  if (child.pid !== undefined) await endProcess(child.pid, 0);
  return false;
}

/** Whether a server could not listen because another process has one of its ports. */
function isPortTaken(launched: Launch, folder: DataFolder): boolean {
  return /address already in use/i.test(logOf(launched, folder));
}

async function exited(child: ChildProcess): Promise<void> {
  if (!hasExited(child)) await new Promise((resolve) => child.once('exit', resolve));
  // Why a process could not be started is reported only now.
  else await setImmediate();
}

/** Whether a process has exited, or was never started. */
function hasExited({ pid, exitCode, signalCode }: ChildProcess): boolean {
  return pid === undefined || exitCode !== null || signalCode !== null;
}

/** What a process has written to its log so far, at most its first {@link LOG_READ} bytes. */
function logOf({ logStart }: Launch, folder: DataFolder): string {
  const text = Buffer.alloc(LOG_READ);
  const file = openSync(folder.temporalLog, 'r');
  try {
    return text.toString('utf8', 0, readSync(file, text, 0, LOG_READ, logStart));
  } finally {
    closeSync(file);
  }
}

function endOfLog(folder: DataFolder): string {
  try {
    return readFileSync(folder.temporalLog, 'utf8').slice(-2_000);
  } catch {
    return '';
  }
}

function didNotStart(folder: DataFolder): CliError {
  const lines = endOfLog(folder).trim().split('\n').slice(-3).join('\n');
  return new CliError(`the Temporal server did not start; the end of ${folder.temporalLog}:\n${lines}`, [
    'use other data: --data DIR, or a running server: --temporal HOST:PORT',
    'check the set-up: vmgroup doctor',
  ]);
}
