import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  dataFolder,
  lockFolder,
  readLiveRecord,
  readRecord,
  writeRecord,
  type UpRecord,
} from '../../cli/data-folder';
import { endProcess, isRunning, startedAt } from '../../cli/processes';

const made: string[] = [];
function freshFolder() {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-data-'));
  made.push(dir);
  return dataFolder(dir);
}
afterAll(() => made.forEach((dir) => rmSync(dir, { recursive: true, force: true })));

async function sleeper() {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await once(child, 'spawn');
  return child;
}

describe('D1: one process a data folder', () => {
  test('the second is refused, and told who is there', () => {
    const folder = freshFolder();
    const free = lockFolder(folder, 'up');
    expect(() => lockFolder(folder, 'up')).toThrow(
      `vmgroup up works on ${folder.dir} already (pid ${process.pid})`,
    );
    free();
    expect(existsSync(folder.lock)).toBe(false);
    lockFolder(folder, 'serve')();
  });

  test('the lock of a killed process is taken over', async () => {
    const folder = freshFolder();
    const child = await sleeper();
    const processStart = startedAt(child.pid ?? 0);
    writeFileSync(folder.lock, JSON.stringify({ pid: child.pid, processStart, command: 'up' }));
    expect(() => lockFolder(folder, 'up')).toThrow(`pid ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const free = lockFolder(folder, 'up');
    expect(JSON.parse(readFileSync(folder.lock, 'utf8'))).toMatchObject({ pid: process.pid });
    free();
  });

  test('a pid that now belongs to another process keeps nobody out', async () => {
    const folder = freshFolder();
    const child = await sleeper();
    writeFileSync(folder.lock, JSON.stringify({ pid: child.pid, processStart: 'long ago', command: 'up' }));
    expect(() => lockFolder(folder, 'up')()).not.toThrow();
    child.kill('SIGKILL');
  });

  test.each(['', 'no json', '{}'])('a lock file with the content %j is taken over', (content) => {
    const folder = freshFolder();
    writeFileSync(folder.lock, content);
    expect(() => lockFolder(folder, 'up')()).not.toThrow();
  });

  test('a folder that cannot be made is an error with a way out', () => {
    const folder = freshFolder();
    writeFileSync(path.join(folder.dir, 'file'), '');
    expect(() => lockFolder(dataFolder(path.join(folder.dir, 'file', 'below')), 'up')).toThrow(
      'cannot be written',
    );
  });
});

describe('up.json', () => {
  test('counts only while its process lives', () => {
    const folder = freshFolder();
    const record: UpRecord = {
      pid: process.pid,
      processStart: startedAt(process.pid) ?? '',
      command: 'up',
      manifests: [],
    };
    expect(readLiveRecord(folder)).toBeUndefined();
    writeRecord(folder, record);
    expect(readLiveRecord(folder)).toEqual(record);
    writeRecord(folder, { ...record, processStart: 'long ago' });
    expect(readLiveRecord(folder)).toBeUndefined();
    expect(readRecord(folder)).toMatchObject({ pid: process.pid });
  });
});

describe('processes', () => {
  test('one that ignores SIGTERM is forced to end', async () => {
    const child = spawn(process.execPath, [
      '-e',
      "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('up')",
    ]);
    await once(child.stdout, 'data');
    const exit = once(child, 'exit');
    await endProcess(child.pid ?? 0, 200);
    expect(await exit).toEqual([null, 'SIGKILL']);
    expect(isRunning(child.pid ?? 0)).toBe(false);
  });

  test('nobody is asked to end where nobody runs', async () => {
    await expect(endProcess(2 ** 22 + 1, 10)).resolves.toBeUndefined();
    expect(isRunning(0)).toBe(false);
  });
});
