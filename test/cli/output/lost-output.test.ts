/** OUTPUT-2: what becomes of a command whose output cannot be written. */
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { buildWhenStale, start } from '../vmgroup';

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-lost-'));
const main = path.join(__dirname, '../../../dist/cli/main.js');
beforeAll(() => {
  buildWhenStale();
  writeFileSync(
    path.join(dir, 'bad.yaml'),
    'apiVersion: vmoperator.vmware.com/v1alpha4\nkind: VirtualMachineGroup\nmetadata: {name: a}\nspec: {powerState: On}\n',
  );
}, 180_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('OUTPUT-2: a reader that has gone away changes no exit code', async () => {
  for (const [file, code] of [
    ['bad.yaml', 1],
    ['none', 1],
  ] as const) {
    const child = start(['validate', file], { cwd: dir });
    child.stdout.destroy();
    child.stderr.destroy();
    expect(await once(child, 'exit')).toEqual([code, null]);
  }
  const child = start(['completion', 'bash'], { cwd: dir });
  child.stdout.destroy();
  expect(await once(child, 'exit')).toEqual([0, null]);
});

test('OUTPUT-2: output that a disk has no room for is an error', async () => {
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [main, 'completion', 'bash'], { stdio: ['ignore', full, 'pipe'] });
  closeSync(full);
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  expect(await once(child, 'close')).toEqual([1, null]);
  expect(stderr).toMatch(/^error: failed to write to standard output: ENOSPC[^\n]*\n$/);
});

test('OUTPUT-2: a command that runs until it is stopped ends once its output has no reader', async () => {
  const status = path.join(dir, 'data/status/prod');
  mkdirSync(status, { recursive: true });
  const write = (phase: string): void =>
    writeFileSync(
      path.join(status, 'shop.json'),
      JSON.stringify({
        apiVersion: 'vmoperator.vmware.com/v1alpha6',
        kind: 'VirtualMachineGroup',
        metadata: { namespace: 'prod', name: 'shop', uid: 'u', generation: 1 },
        spec: {},
        status: { observedGeneration: 1, members: [], conditions: [] },
        phase,
        message: phase,
      }),
    );
  write('Contested');
  const child = start(['watch', '-o', 'json', '--data', path.join(dir, 'data')], { cwd: dir });
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  child.stdout.destroy();
  let at = 0;
  const changing = setInterval(() => write((at += 1) % 2 === 0 ? 'Contested' : 'Converged'), 1_000);
  expect(await ended).toEqual([0, null]);
  clearInterval(changing);
});
