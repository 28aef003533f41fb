/** `vmgroup simulator` as a process. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { until } from '../support/until';
import { buildWhenStale, start } from './vmgroup';

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-simulator-'));
beforeAll(buildWhenStale, 180_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('JOURNALLOCK-3: it ends with an error once another process has taken its folder over', async () => {
  const simulator = start(['simulator', '--data', dir, '--port', '0']);
  let [stdout, stderr] = ['', ''];
  simulator.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  simulator.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(simulator, 'exit');
  await until(() => stdout.includes('http://'));
  const other = { pid: process.pid, processStart: 'later', instance: 'other', note: {} };
  writeFileSync(path.join(dir, 'simulator/lock'), JSON.stringify(other));
  expect(await ended).toEqual([1, null]);
  expect(stderr).toContain(`another process took over ${path.join(dir, 'simulator')}`);
});
