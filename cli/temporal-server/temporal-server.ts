/**
 * The Temporal server that `up` carries: a child process on loopback, its state one SQLite file in the data folder.
 *
 * T1: a server that dies while `up` lives is started again on the same ports and the same file.
 * T2: a server that outlived a killed `up` is stopped before another one opens its file, and only if it really is that server.
 * T3: nothing listens beyond loopback.
 */
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DataFolder, UpRecord } from '../data-folder/data-folder';
import { closeLog, openLog } from '../data-folder/data-folder';
import { CliError } from '../errors';
import { commandLine, endProcess } from './processes';

/** Ports that people expect, taken where they are free. */
const PREFERRED = { port: 7233, uiPort: 8233 };

/** How our own servers are set, here and in tests. */
export const SERVER_SETTINGS: readonly string[] = [
  // The default, a rollback journal, takes two to five times as long for a commit.
  ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'],
  // By default the server breaks a workflow task off when more than 100 events come in meanwhile, and the run has to be replayed. With
  // hundreds of VMs that boot at once that happens again and again.
  ...['--dynamic-config-value', 'history.maximumBufferedEventsBatch=10000'],
];

/** Longest wait for the port to open, milliseconds. */
const START_PATIENCE = 30_000;

/** Milliseconds that a server gets to close its file. */
const STOP_PATIENCE = 5_000;

/** What {@link startTemporalServer} needs. */
export interface ServerOptions {
  /** Path of Temporal's command line tool. */
  cli: string;
  folder: DataFolder;
  /** Ports of the last time, so that the UI keeps its address. */
  ports?: { port?: number | undefined; uiPort?: number | undefined };
  /** Name of each search attribute and its type. */
  searchAttributes: Readonly<Record<string, string>>;
  /** Told the pid of each server process, before anything else happens with it. */
  onSpawn(server: { pid: number; port: number; uiPort: number }): void;
  /** Told when the server died and is started again (T1). */
  onRestart(message: string): void;
}

/** A running server. */
export interface TemporalServer {
  /** `host:port` of the gRPC service. */
  address: string;
  /** `http://host:port`. */
  ui: string;
  port: number;
  uiPort: number;
  /** Pid of the process that runs now. */
  pid(): number | undefined;
  stop(): Promise<void>;
  /** Asks it to end and waits for nothing. */
  end(): void;
}

/**
 * Starts the server and waits until its port is open (its services follow within a second).
 *
 * @throws CliError when it does not come up, with the last words of its log.
 */
export async function startTemporalServer(options: ServerOptions): Promise<TemporalServer> {
  let ports = {
    port: await freePort(options.ports?.port ?? PREFERRED.port),
    uiPort: await freePort(options.ports?.uiPort ?? PREFERRED.uiPort),
  };
  let child = launch(options, ports);
  if (!(await opens(child, ports.port)) && /address already in use/i.test(lastWords(options.folder))) {
    // Somebody took the port between our look and the server's.
    ports = { port: await freePort(0), uiPort: await freePort(0) };
    child = launch(options, ports);
    await opens(child, ports.port);
  }
  if (child.exitCode !== null || child.signalCode !== null) throw didNotStart(options.folder);
  let stopping = false;
  void keepAlive();

  async function keepAlive(): Promise<void> {
    for (let pause = 250; !stopping; pause = Math.min(pause * 2, 5_000)) {
      const bornAt = Date.now();
      await exited(child);
      if (stopping) return;
      if (Date.now() - bornAt > 60_000) pause = 250;
      options.onRestart(
        `the Temporal server died (${child.signalCode ?? child.exitCode}), starting it again`,
      );
      await sleep(pause);
      if (!stopping) child = launch(options, ports);
    }
  }

  return {
    address: `127.0.0.1:${ports.port}`,
    ui: `http://127.0.0.1:${ports.uiPort}`,
    ...ports,
    pid: () => child.pid,
    stop: async () => {
      stopping = true;
      if (child.pid !== undefined) await endProcess(child.pid, STOP_PATIENCE);
    },
    end: () => {
      stopping = true;
      child.kill('SIGTERM');
    },
  };
}

/**
 * Stops the server that an earlier `up` on the same folder left behind (T2).
 *
 * @returns the pid of the server that was stopped; undefined where there was none.
 */
export async function stopOrphan(
  folder: DataFolder,
  record: UpRecord | undefined,
): Promise<number | undefined> {
  const pid = record?.temporal?.pid;
  if (pid === undefined || !commandLine(pid).includes(folder.temporalDb)) return undefined;
  await endProcess(pid, STOP_PATIENCE);
  return pid;
}

function launch(options: ServerOptions, ports: { port: number; uiPort: number }): ChildProcess {
  const log = openLog(options.folder.temporalLog);
  const child = spawn(options.cli, serverArguments(options, ports), {
    stdio: ['ignore', log, log],
    // Ctrl-C goes to every process of the terminal's group: the server must outlive the worker's last words.
    detached: true,
    cwd: options.folder.dir,
  });
  closeLog(log);
  child.on('error', () => undefined);
  if (child.pid !== undefined) options.onSpawn({ pid: child.pid, ...ports });
  return child;
}

function serverArguments(
  { folder, searchAttributes }: ServerOptions,
  { port, uiPort }: { port: number; uiPort: number },
): string[] {
  return [
    ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', `${port}`, '--ui-port', `${uiPort}`],
    ...['--ui-disable-news-fetch', '--log-format', 'json', '--db-filename', folder.temporalDb],
    ...SERVER_SETTINGS,
    ...Object.entries(searchAttributes).flatMap(([name, type]) => ['--search-attribute', `${name}=${type}`]),
  ];
}

/** Waits until the port is open; false when the process ends first or does not open it in time. */
async function opens(child: ChildProcess, port: number): Promise<boolean> {
  for (const until = Date.now() + START_PATIENCE; Date.now() < until;) {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return false;
    if (await accepts(port)) return true;
    await sleep(30);
  }
  if (child.pid !== undefined) await endProcess(child.pid, 0);
  return false;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once('connect', () => done(true)).once('error', () => done(false));
  });
}

function exited(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null)
    return Promise.resolve();
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

/** The wanted port of loopback where it is free, else any. */
export async function freePort(wanted: number): Promise<number> {
  const listen = (port: number) =>
    new Promise<number | undefined>((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(undefined));
      server.listen(port, '127.0.0.1', () => {
        const { port: taken } = server.address() as AddressInfo;
        server.close(() => resolve(taken));
      });
    });
  return (await listen(wanted)) ?? (await listen(0)) ?? wanted;
}

function lastWords(folder: DataFolder): string {
  try {
    return readFileSync(folder.temporalLog, 'utf8').slice(-2_000);
  } catch {
    return '';
  }
}

function didNotStart(folder: DataFolder): CliError {
  const words = lastWords(folder).trim().split('\n').slice(-3).join('\n  ');
  return new CliError(`the Temporal server did not start; the end of ${folder.temporalLog}:\n  ${words}`, [
    'start on fresh data with --data DIR, or use a server that runs already: --temporal HOST:PORT',
    'vmgroup doctor tells what is wrong with the set-up',
  ]);
}
