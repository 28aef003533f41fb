import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import nodeModule from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { buildWhenStale, vmgroup } from './vmgroup';

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-compiled-'));
beforeAll(buildWhenStale, 240_000);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test("compiled code is kept in the user's cache folder, where Node can keep it", async () => {
  const result = await vmgroup(['--version'], { env: { XDG_CACHE_HOME: dir } });
  expect(result).toMatchObject({ code: 0, stderr: '' });
  expect(existsSync(path.join(dir, 'vmgroup/compiled'))).toBe('enableCompileCache' in nodeModule);
});

test('a user without a writable cache folder can do without', async () => {
  const result = await vmgroup(['--version'], { env: { XDG_CACHE_HOME: '/dev/null' } });
  expect(result).toMatchObject({ code: 0, stderr: '' });
});
