import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import type * as files from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { writeAtomically } from '../../files/atomic-file';

/** What was opened and what was synced, in order. */
const mockLog: string[] = [];
jest.mock('node:fs/promises', () => {
  const actual = jest.requireActual<typeof files>('node:fs/promises');
  return {
    ...actual,
    open: async (name: string, flags: string) => {
      const file = await actual.open(name, flags);
      const sync = file.sync.bind(file);
      file.sync = async () => {
        mockLog.push(`sync ${name}`);
        await sync();
      };
      return file;
    },
    rename: async (from: string, to: string) => {
      mockLog.push(`rename ${to}`);
      await actual.rename(from, to);
    },
  };
});

test('a file outlasts a loss of power: its content is synced before it gets its name, its folder after', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'vmgroup-atomic-'));
  try {
    const file = path.join(folder, 'a.json');
    await writeAtomically(file, 'text');
    expect(mockLog).toEqual([expect.stringContaining('.tmp'), `rename ${file}`, `sync ${folder}`]);
    expect([readdirSync(folder), readFileSync(file, 'utf8')]).toEqual([['a.json'], 'text']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
