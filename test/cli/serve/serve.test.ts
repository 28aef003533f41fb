/**
 * Long-running processes whose log cannot be written, or whose data folder another process takes: LOGOUTPUT-1, DATA-1, TEMPORAL-SERVER-2.
 *
 * Guarantees: G8.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { dataFolder, readRecord, writeRecord } from '../../../cli/data-folder';
import { freePort } from '../../../cli/temporal-server';
import { groupWithVms } from '../../support/manifests';
import { until } from '../../support/until';
import { buildWhenStale, start, vmgroup } from '../vmgroup';

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-serve-'));
const file = path.join(dir, 'shop.yaml');
const children: ChildProcess[] = [];
beforeAll(() => {
  buildWhenStale();
  writeFileSync(file, groupWithVms({ namespace: 'prod', name: 'shop', tiers: [{ members: ['db'] }] }));
}, 240_000);
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

/** Arguments of a bridge that waits for its Temporal server. */
const bridgeOn = (data: string, port: number): string[] => [
  ...['bridge', file, '--data', path.join(dir, data)],
  ...['--temporal', '127.0.0.1:1', '--health-port', `${port}`],
];

const isHealthy = async (port: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}/healthz`).then(
    ({ ok }) => ok,
    () => false,
  );

test('LOGOUTPUT-1: a process whose log is on a full disk works on, and stops when it is asked to', async () => {
  const port = await freePort(0);
  const main = path.join(__dirname, '../../../dist/cli/main.js');
  const command = [process.execPath, main, ...bridgeOn('full', port)];
  const bridge = spawn('sh', ['-c', 'exec "$@" > /dev/full', 'sh', ...command], { stdio: 'ignore' });
  children.push(bridge);
  await until(() => isHealthy(port));
  // It has logged why it waits by then.
  await until(async () =>
    (await fetch(`http://127.0.0.1:${port}/readyz`)).text().then((text) => text.includes(':1')),
  );
  expect(await isHealthy(port)).toBe(true);
  bridge.kill('SIGTERM');
  expect(await once(bridge, 'exit')).toEqual([0, null]);
});

test('DATA-1: a process whose folder was taken over ends with an error that says so', async () => {
  const port = await freePort(0);
  const bridge = start(bridgeOn('taken', port));
  children.push(bridge);
  let log = '';
  bridge.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
  await until(() => isHealthy(port));
  rmSync(dataFolder(path.join(dir, 'taken')).lock);
  expect(await once(bridge, 'exit')).toEqual([1, null]);
  expect(log).toContain('another process has taken over the data folder');
});

test('a health port that is taken is an error that names its option', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const { code, stderr } = await vmgroup(bridgeOn('port', port));
  holder.close();
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr:
      `error: the health page cannot listen on 127.0.0.1:${port}: listen EADDRINUSE: address already in use 127.0.0.1:${port}\n` +
      '  → name another port: --health-port PORT, or 0 for any free one\n',
  });
});

test('TEMPORAL-SERVER-2: the server that a killed up has left behind stays on record for the next one', async () => {
  const folder = dataFolder(path.join(dir, 'left'));
  const bridge = async (): Promise<void> => {
    const port = await freePort(0);
    const child = start(bridgeOn('left', port));
    children.push(child);
    await until(() => isHealthy(port));
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
  await bridge();
  const record = readRecord(folder);
  if (!record) throw new Error('the bridge wrote no record');
  writeRecord(folder, { ...record, temporal: { address: 'a:1', namespace: 'default', pid: 4_194_305 } });
  await bridge();
  await bridge();
  expect(readRecord(folder)).toMatchObject({
    temporal: { address: '127.0.0.1:1', namespace: 'default' },
    orphan: 4_194_305,
  });
});
