import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dataFolder, type UpRecord } from '../../../cli/data-folder';
import { isRunning } from '../../../cli/temporal-server/processes';
import { findTemporalCli } from '../../../cli/temporal-server';
import {
  startTemporalServer,
  stopOrphan,
  type ServerOptions,
} from '../../../cli/temporal-server/temporal-server';
import { SEARCH_ATTRIBUTE_TYPES } from '../../../contract';
import { connectClient, registerSearchAttributes } from '../../../worker';
import { until } from '../../support/until';

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-server-'));
const folder = dataFolder(dir);
let cli: string;
const spawned: { pid: number; port: number; uiPort: number }[] = [];
const restarts: string[] = [];
const lost: string[] = [];

function options(): ServerOptions {
  return {
    cli,
    folder,
    ports: { port: 0, uiPort: 0 },
    searchAttributes: SEARCH_ATTRIBUTE_TYPES,
    signal: new AbortController().signal,
    onSpawn: (server) => spawned.push(server),
    onRestart: (message) => restarts.push(message),
    onLost: (message) => lost.push(message),
  };
}

async function answers(address: string) {
  const connectionOptions = { address };
  const temporal = await connectClient({ address, namespace: 'default', connectionOptions }, 10_000);
  try {
    for (let tries = 0; ; tries++) {
      try {
        return await temporal.client.workflowService.describeNamespace({ namespace: 'default' });
      } catch (error: unknown) {
        if (tries > 100) throw error;
        await sleep(100);
      }
    }
  } finally {
    await temporal.close();
  }
}

beforeAll(async () => ({ path: cli } = await findTemporalCli()), 180_000);
afterAll(() => {
  for (const { pid } of spawned) if (isRunning(pid)) process.kill(pid, 'SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

test('starts with its search attributes, is started again when it dies (TEMPORAL-SERVER-1), and stops', async () => {
  const server = await startTemporalServer(options());
  await answers(server.address);
  const { address } = server;
  const target = { address, namespace: 'default', connectionOptions: { address } };
  const temporal = await connectClient(target);
  await registerSearchAttributes(temporal.client, target);
  await temporal.close();

  const first = server.pid() ?? 0;
  process.kill(first, 'SIGKILL');
  await until(() => server.pid() !== first);
  await answers(server.address);
  expect(restarts).toEqual([expect.stringContaining('SIGKILL')]);
  expect(spawned.map(({ port }) => port)).toEqual([server.port, server.port]);

  await server.stop();
  expect(spawned.filter(({ pid }) => isRunning(pid))).toEqual([]);
});

test('a preferred port that is taken is replaced by a free one', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const server = await startTemporalServer({ ...options(), ports: { port, uiPort: 0 } });
  expect(server.port).not.toBe(port);
  await answers(server.address);
  await server.stop();
  holder.close();
});

/**
 * Temporal's tool, but at the launch with this number another process listens on the port first, as a second `up` does that starts at the
 * same moment. It ends with `end`.
 */
function raced(launch: number): { cli: string; end: () => void } {
  const folderOfCalls = mkdtempSync(path.join(dir, 'raced-'));
  const file = path.join(folderOfCalls, 'temporal');
  const pid = path.join(folderOfCalls, 'pid');
  const listen = `require('net').createServer().listen(+process.argv[1], '127.0.0.1', () => console.log('listening'))`;
  writeFileSync(
    file,
    `#!/bin/bash
echo >> ${folderOfCalls}/calls
if [ "$(wc -l < ${folderOfCalls}/calls)" = ${launch} ]; then
  ${process.execPath} -e "${listen}" -- "$6" > ${folderOfCalls}/stranger 2> /dev/null &
  echo $! > ${pid}
  until grep -q listening ${folderOfCalls}/stranger; do sleep 0.01; done
  sleep 0.5
fi
exec ${cli} "$@"
`,
    { mode: 0o755 },
  );
  return { cli: file, end: () => process.kill(Number(readFileSync(pid, 'utf8')), 'SIGKILL') };
}

test('a process that takes the port first is not taken for the server (TEMPORAL-SERVER-4)', async () => {
  const { cli: racing, end } = raced(1);
  const before = spawned.length;
  const server = await startTemporalServer({ ...options(), cli: racing });
  const [first, second] = spawned.slice(before);
  expect(server.port).toBe(second?.port);
  expect(server.port).not.toBe(first?.port);
  await answers(server.address);
  await server.stop();
  end();
});

test('a server whose port is taken when it is restarted is given up, and says so (TEMPORAL-SERVER-4)', async () => {
  const { cli: racing, end } = raced(2);
  const server = await startTemporalServer({ ...options(), cli: racing });
  await answers(server.address);
  process.kill(server.pid() ?? 0, 'SIGKILL');
  await until(() => lost.length > 0);
  expect(lost).toEqual([`another process has taken the Temporal server's port ${server.port}`]);
  await server.stop();
  end();
});

test('a server whose folder is gone when it dies is given up, and says so', async () => {
  const own = dataFolder(mkdtempSync(path.join(dir, 'gone-')));
  const messages: string[] = [];
  const server = await startTemporalServer({
    ...options(),
    folder: own,
    onLost: (message) => messages.push(message),
  });
  await answers(server.address);
  rmSync(own.dir, { recursive: true, force: true, maxRetries: 5 });
  process.kill(server.pid() ?? 0, 'SIGKILL');
  await until(() => messages.length > 0);
  expect(messages).toEqual([
    expect.stringMatching(/^the Temporal server died and cannot be started again: ENOENT: /),
  ]);
  await server.stop();
});

test('a server that outlived its parent is stopped, and nothing else is (TEMPORAL-SERVER-2)', async () => {
  const server = await startTemporalServer(options());
  const pid = server.pid() ?? 0;
  const record = (of: number): UpRecord => ({
    pid: 1,
    processStart: '',
    command: 'up',
    manifests: [],
    temporal: { address: server.address, namespace: 'default', pid: of },
  });
  const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await once(stranger, 'spawn');
  expect(await stopOrphan(folder, record(stranger.pid ?? 0))).toBeUndefined();
  expect(isRunning(stranger.pid ?? 0)).toBe(true);
  stranger.kill('SIGKILL');

  expect(await stopOrphan(folder, undefined)).toBeUndefined();
  // Its parent lives here, and must not start it again.
  const stopped = server.stop();
  expect(await stopOrphan(folder, record(pid))).toBe(pid);
  await stopped;
  expect(isRunning(pid)).toBe(false);
});

/** A program that starts, and never says that it listens. */
function silent(): string {
  const file = path.join(mkdtempSync(path.join(dir, 'silent-')), 'temporal');
  writeFileSync(file, '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 });
  return file;
}

test('TEMPORAL-SERVER-1: a restart says why the one before it did not start, and where the log is', async () => {
  const tool = path.join(mkdtempSync(path.join(dir, 'tool-')), 'temporal');
  symlinkSync(cli, tool);
  const server = await startTemporalServer({ ...options(), cli: tool });
  await answers(server.address);
  const before = restarts.length;
  rmSync(tool);
  process.kill(server.pid() ?? 0, 'SIGKILL');
  await until(() => restarts.length >= before + 2);
  expect(restarts.slice(before, before + 2)).toEqual([
    `the Temporal server died (SIGKILL), restarting it; its log: ${folder.temporalLog}`,
    `the Temporal server did not start (spawn ${tool} ENOENT), restarting it; its log: ${folder.temporalLog}`,
  ]);
  symlinkSync(cli, tool);
  await answers(server.address);
  await server.stop();
});

test('TEMPORAL-SERVER-5: a server of which no record can be written is ended', async () => {
  let pid = 0;
  const onSpawn = (server: { pid: number }): void => {
    ({ pid } = server);
    throw new Error('no space left on device');
  };
  await expect(startTemporalServer({ ...options(), cli: silent(), onSpawn })).rejects.toThrow('no space');
  await until(() => !isRunning(pid));
});

test('TEMPORAL-SERVER-5: a process that ends while its server starts ends that too', async () => {
  const script = `
    const { dataFolder } = require('./cli/data-folder');
    const { startTemporalServer } = require('./cli/temporal-server');
    const nothing = () => undefined;
    void startTemporalServer({
      cli: ${JSON.stringify(silent())},
      folder: dataFolder(${JSON.stringify(dir)}),
      searchAttributes: {},
      signal: new AbortController().signal,
      onRestart: nothing,
      onLost: nothing,
      onSpawn: ({ pid }) => {
        console.log(pid);
        process.exit(3);
      },
    });
  `;
  const child = spawn(process.execPath, ['--import', 'tsx', '-e', script], {
    cwd: path.join(__dirname, '../../..'),
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  let pid = 0;
  child.stdout.on('data', (chunk: Buffer) => (pid = Number(chunk.toString())));
  expect(await once(child, 'close')).toEqual([3, null]);
  expect(pid).toBeGreaterThan(0);
  await until(() => !isRunning(pid));
});

test('TEMPORAL-SERVER-5: a server whose start is broken off is ended, and no other one is started', async () => {
  const stopped = new AbortController();
  const pids: number[] = [];
  const onSpawn = ({ pid }: { pid: number }): void => {
    pids.push(pid);
    stopped.abort(new Error('not any more'));
  };
  const starting = startTemporalServer({ ...options(), cli: silent(), signal: stopped.signal, onSpawn });
  await expect(starting).rejects.toThrow('not any more');
  expect(pids).toHaveLength(1);
  expect(isRunning(pids[0] ?? 0)).toBe(false);
});

test('a tool that is no server ends in an error with the end of its log', async () => {
  await expect(startTemporalServer({ ...options(), cli: process.execPath })).rejects.toThrow(
    'the Temporal server did not start',
  );
});
