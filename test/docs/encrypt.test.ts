/** D6: the page about encryption. After each command that makes or changes keys, a process that starts can read them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { KeyFolder } from '../../encryption/keys';
import { blocksOf } from './documents';

const PAGE = 'docs/how-to/encrypt.md';

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-keys-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test(PAGE, () => {
  const commands = blocksOf(PAGE)
    .flatMap(({ text }) => text.split('\n'))
    .flatMap((line) => /^\$ ((?:mkdir|openssl|echo) .*)$/.exec(line)?.[1] ?? []);
  const folder = path.join(dir, 'keys');
  const active: string[] = [];
  for (const command of commands) {
    execFileSync('sh', ['-c', command], { cwd: dir, stdio: 'pipe' });
    if (!command.startsWith('mkdir')) active.push(new KeyFolder(folder).active().id);
  }
  expect(active).toEqual(['2026-11', '2026-11', '2026-11', '2026-12']);
  expect(statSync(folder).mode & 0o077).toBe(0);
});
