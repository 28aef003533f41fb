/** On a Node that cannot run it, the program says so before it loads anything that this Node cannot load. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { nodeCure } from '../../cli/node-version';
import { buildWhenStale, vmgroup } from './vmgroup';

test.each([
  ['18.20.0', false],
  ['20.18.3', false],
  ['20.19.0', true],
  ['21.7.0', false],
  ['22.11.0', false],
  ['22.12.0', true],
  ['23.0.0', true],
  ['24.1.0', true],
])('%s', (version, runs) => {
  expect(nodeCure(version) === undefined).toBe(runs);
});

describe('the command', () => {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-node-'));
  beforeAll(() => buildWhenStale(), 180_000);
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('ends before it loads anything', async () => {
    const preload = path.join(dir, 'old.js');
    writeFileSync(
      preload,
      `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.10.0' } });
       process.on('exit', () => console.log(Object.keys(require.cache).filter((file) => file.includes('commander'))));`,
    );
    expect(await vmgroup(['up'], { env: { NODE_OPTIONS: `--require ${preload}` } })).toEqual({
      code: 1,
      stdout: '[]\n',
      stderr: 'error: vmgroup does not run on Node.js 20.10.0\n  → install Node.js 20.19, 22.12 or newer\n',
    });
  });
});
