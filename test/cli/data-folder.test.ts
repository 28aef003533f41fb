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
import { endProcess, isRunning } from '../../cli/temporal-server/processes';
import { startedAt } from '../../files';

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

describe('DATA-1: one process a data folder', () => {
  test('the second is refused, and told who is there', async () => {
    const folder = freshFolder();
    const free = await lockFolder(folder, 'up');
    await expect(lockFolder(folder, 'up')).rejects.toThrow(
      `vmgroup up works on ${folder.dir} already (pid ${process.pid})`,
    );
    await free();
    expect(existsSync(folder.lock)).toBe(false);
    await (
      await lockFolder(folder, 'serve')
    )();
  });

  test('a lock that an earlier version has left counts while its process runs', async () => {
    const folder = freshFolder();
    const child = await sleeper();
    const processStart = startedAt(child.pid ?? 0);
    writeFileSync(folder.lock, JSON.stringify({ pid: child.pid, processStart, command: 'up' }));
    await expect(lockFolder(folder, 'up')).rejects.toThrow(`pid ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const free = await lockFolder(folder, 'up');
    expect(JSON.parse(readFileSync(folder.lock, 'utf8'))).toMatchObject({ pid: process.pid });
    await free();
  });

  test('a folder that cannot be made is an error with a way out', async () => {
    const folder = freshFolder();
    writeFileSync(path.join(folder.dir, 'file'), '');
    await expect(lockFolder(dataFolder(path.join(folder.dir, 'file', 'below')), 'up')).rejects.toThrow(
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
