/** What is watched of a folder that is recreated, and what is reported of one that cannot be watched. */
import fs from 'node:fs';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FolderWatch } from '../../../bridge/source/folder-watch';
import { until } from '../../support/until';

let root: string;
let changes: number;
let warnings: string[];
let watch: FolderWatch;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'vmgroup-watch-'));
  changes = 0;
  warnings = [];
  watch = new FolderWatch(
    () => (changes += 1),
    (message) => warnings.push(message),
  );
});
afterEach(async () => {
  jest.restoreAllMocks();
  watch.close();
  await rm(root, { recursive: true, force: true });
});

test('a folder that was deleted and recreated is watched again, also where it gets the same inode', async () => {
  const folder = join(root, 'app');
  await mkdir(folder);
  expect(await watch.set([{ folder }])).toBe(true);
  const before = await stat(folder);
  // Some file systems give the inode of a deleted folder to the next one.
  for (let tries = 0; tries < 20; tries += 1) {
    await rm(folder, { recursive: true });
    await mkdir(folder);
    if ((await stat(folder)).ino === before.ino) break;
  }
  expect(await watch.set([{ folder }])).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 100));
  changes = 0;
  await writeFile(join(folder, 'app.yaml'), '');
  await until(() => changes > 0);
});

test('a folder that cannot be watched is one warning, not one a reading; once it is watched again, another', async () => {
  const folder = join(root, 'app');
  await mkdir(folder);
  const full = Object.assign(new Error('ENOSPC: no space left on device, watch'), { code: 'ENOSPC' });
  const refusing = jest.spyOn(fs, 'watch').mockImplementation(() => {
    throw full;
  });
  for (let reading = 0; reading < 3; reading += 1) expect(await watch.set([{ folder }])).toBe(false);
  expect(warnings).toEqual([expect.stringContaining(`Failed to watch ${folder}: Error: ENOSPC`)]);
  refusing.mockRestore();
  expect(await watch.set([{ folder }])).toBe(true);
  expect(warnings).toHaveLength(1);
});
