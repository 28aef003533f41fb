import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  dataFolder,
  lockFolder,
  readLiveRecord,
  readRecord,
  writeRecord,
  type UpRecord,
} from '../../../cli/data-folder';
import type { CliError } from '../../../cli/errors';
import { endProcess, isRunning } from '../../../cli/temporal-server/processes';
import { startedAt } from '../../../files';

const made: string[] = [];
const unused = (): void => undefined;
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

describe('DATA-1: one process per data folder', () => {
  test('the second process is refused with the pid of the first', async () => {
    const folder = freshFolder();
    const free = await lockFolder(folder, 'up', unused);
    await expect(lockFolder(folder, 'up', unused)).rejects.toThrow(
      `vmgroup up works on ${folder.dir} already (pid ${process.pid})`,
    );
    await free();
    expect(existsSync(folder.lock)).toBe(false);
    await (
      await lockFolder(folder, 'serve', unused)
    )();
  });

  test('the lock in a copy of a folder is told from one of its own', async () => {
    const [folder, copy] = [freshFolder(), freshFolder()];
    const free = await lockFolder(folder, 'up', unused);
    cpSync(folder.dir, copy.dir, { recursive: true });
    const refused = await lockFolder(copy, 'up', unused).catch((error: unknown) => error);
    const { message, nextSteps } = refused as CliError;
    expect(message).toBe(
      `${copy.dir} has the lock of vmgroup up (pid ${process.pid}), which works on ${folder.dir}`,
    );
    expect(nextSteps[0]).toBe(`if it is a copy of that folder: rm ${copy.lock}`);
    expect(nextSteps.join()).not.toContain('kill');
    rmSync(copy.lock);
    await (
      await lockFolder(copy, 'up', unused)
    )();
    await free();
  });

  test('a lock of an earlier version holds while its process runs', async () => {
    const folder = freshFolder();
    const child = await sleeper();
    const processStart = startedAt(child.pid ?? 0);
    writeFileSync(folder.lock, JSON.stringify({ pid: child.pid, processStart, command: 'up' }));
    await expect(lockFolder(folder, 'up', unused)).rejects.toThrow(`pid ${child.pid}`);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const free = await lockFolder(folder, 'up', unused);
    expect(JSON.parse(readFileSync(folder.lock, 'utf8'))).toMatchObject({ pid: process.pid });
    await free();
  });

  test('a folder that cannot be created is an error with a next step', async () => {
    const folder = freshFolder();
    writeFileSync(path.join(folder.dir, 'file'), '');
    await expect(
      lockFolder(dataFolder(path.join(folder.dir, 'file', 'below')), 'up', unused),
    ).rejects.toThrow('cannot be written');
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

  test('no signal is sent if no such process runs', async () => {
    await expect(endProcess(2 ** 22 + 1, 10)).resolves.toBeUndefined();
    expect(isRunning(0)).toBe(false);
  });
});
