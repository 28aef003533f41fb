/** Commands whose standard output is on a full disk: OUTPUT-2. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findTemporalCli } from '../../../cli/temporal-server';
import { groupWithVms } from '../../support/manifests';
import { buildWhenStale } from '../vmgroup';

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-full-'));
const main = path.join(__dirname, '../../../dist/cli/main.js');
beforeAll(async () => {
  buildWhenStale();
  await findTemporalCli();
}, 240_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function onFullDisk(...args: string[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn('sh', ['-c', 'exec "$@" > /dev/full', 'sh', process.execPath, main, ...args], {
    cwd: dir,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stderr })));
}

test('OUTPUT-2: a command that prints ends with an error that says why', async () => {
  expect(await onFullDisk('crds')).toEqual({
    code: 1,
    stderr: 'error: failed to write to standard output: ENOSPC: no space left on device, write\n',
  });
});

test('OUTPUT-2: up works on', async () => {
  const group = { namespace: 'prod', name: 'shop', powerState: 'PoweredOn', tiers: [{ members: ['db'] }] };
  writeFileSync(path.join(dir, 'shop.yaml'), groupWithVms(group));
  expect(await onFullDisk('up', 'shop.yaml', '--exit-when-converged', '-o', 'json')).toEqual({
    code: 0,
    stderr: '',
  });
});
