/** A real Temporal server for tests: one process, its state in a file, so that it can be killed and started again. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { findTemporalCli } from '../../cli/temporal-server';
import { freePort } from './ports';
import { SERVER_SETTINGS } from '../../cli/temporal-server/temporal-server';
import { SEARCH_ATTRIBUTE_TYPES } from '../../contract';

export interface TestTemporal {
  address: string;
  /** With a UI: its address. */
  ui?: string;
  client: Client;
  /** Kills the server as `kill -9` does. */
  kill(): Promise<void>;
  /** Starts it again on the same file and port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a server; `ui` with its web UI. */
export async function startTemporal({ ui = false, args = [] as string[] } = {}): Promise<TestTemporal> {
  const cli = await findTemporalCli();
  const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-temporal-'));
  const port = await freePort();
  const uiPort = ui ? await freePort() : undefined;
  const attributes = Object.entries(SEARCH_ATTRIBUTE_TYPES).flatMap(([name, type]) => [
    '--search-attribute',
    `${name}=${type}`,
  ]);
  const log = openSync(path.join(dir, 'temporal.log'), 'a');
  let child: ChildProcess;

  async function start(): Promise<void> {
    child = spawn(
      cli.path,
      [
        ...['server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--log-level', 'error'],
        ...(uiPort === undefined ? ['--headless'] : ['--ui-port', String(uiPort)]),
        ...['--db-filename', path.join(dir, 'temporal.db')],
        ...SERVER_SETTINGS,
        ...attributes,
        ...args,
      ],
      { stdio: ['ignore', log, log] },
    );
    await reachable(port);
  }

  async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    await exited;
  }

  await start();
  const connection = await Connection.connect({ address: `127.0.0.1:${port}` });
  await answers(connection);
  return {
    address: `127.0.0.1:${port}`,
    ...(uiPort === undefined ? {} : { ui: `http://127.0.0.1:${uiPort}` }),
    client: new Client({ connection }),
    kill: () => end('SIGKILL'),
    restart: start,
    stop: async () => {
      await connection.close();
      await end('SIGTERM');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function answers(connection: Connection): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await connection.withDeadline(Date.now() + 10_000, () =>
        connection.workflowService.describeNamespace({ namespace: 'default' }),
      );
      return;
    } catch (error: unknown) {
      if (tries > 100) throw error;
      await sleep(100);
    }
  }
}

async function reachable(port: number): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (open) return;
    await sleep(100);
  }
  throw new Error(`the Temporal server did not open port ${port} within 30 s`);
}
