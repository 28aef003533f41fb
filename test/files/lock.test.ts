/**
 * Lock files between processes that see each other, and between such that do not: LOCK-1 to LOCK-3.
 *
 * Guarantees: G5.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LockedError, takeLock, type Lock } from '../../files';
import { until } from '../support/until';

let folder: string;
let file: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'vmgroup-lock-'));
  file = path.join(folder, 'lock');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

const take = (onLost = (): void => undefined): Promise<Lock> =>
  takeLock(file, { note: { command: 'test' }, onLost });

/** Starts a process that takes the lock; `apart`: in a pid namespace of its own, as a container is. */
function start(apart = false): { child: ChildProcess; said: string[]; answer: () => Promise<string> } {
  const program = [process.execPath, '--import', 'tsx', path.join(__dirname, 'lock-child.ts'), file];
  const [command = '', ...args] = apart
    ? ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', ...program]
    : program;
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  const said: string[] = [];
  child.stdout?.on('data', (text: Buffer) => said.push(...text.toString().trim().split('\n')));
  return {
    child,
    said,
    answer: () => until(() => said[0], 'the answer of a process'),
  };
}

/** Namespaces require root, or a kernel that grants them to any user. */
const canUnshare = spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true']).status === 0;
function apart(name: string, body: () => Promise<void>, timeout?: number): void {
  if (canUnshare) test(name, body, timeout);
  else test.skip(`${name} (skipped: this machine grants no pid namespaces)`, body, timeout);
}

test('LOCK-1: the second is refused, with the note of the first; released it can be taken again', async () => {
  const lock = await take();
  await expect(take()).rejects.toMatchObject({ pid: process.pid, note: { command: 'test' }, isHere: true });
  await lock.release();
  expect(existsSync(file)).toBe(false);
  await (await take()).release();
  expect(readdirSync(folder)).toEqual([]);
});

test('LOCK-1: of many at once one gets it', async () => {
  const found = await Promise.allSettled(Array.from({ length: 20 }, () => take()));
  const locks = found.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  expect(locks).toHaveLength(1);
  const refusals = found.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
  expect(refusals.every((reason) => reason instanceof LockedError)).toBe(true);
  await locks[0]?.release();
});

test('LOCK-2: a process that is stopped keeps its lock; once it was killed another one takes it over at once', async () => {
  const { child, answer } = start();
  expect(await answer()).toMatch(/^held/);
  child.kill('SIGSTOP');
  await expect(take()).rejects.toThrow(`held by process ${child.pid}`);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const begun = Date.now();
  await (await take()).release();
  expect(Date.now() - begun).toBeLessThan(1_000);
});

test.each([
  ['', 'nothing'],
  ['no json', 'no JSON'],
  ['{}', 'no holder'],
  [
    JSON.stringify({ pid: process.pid, processStart: 'long ago', command: 'up' }),
    'a pid that was given out again',
  ],
])('LOCK-2: a file with %j, %s, is taken over', async (content) => {
  writeFileSync(file, content);
  await (await take()).release();
});

test('LOCK-1: a lock that its holder elsewhere releases meanwhile is taken, not refused', async () => {
  writeFileSync(
    file,
    JSON.stringify({ pid: 1, processStart: 'x', pidSpace: 'elsewhere', instance: 'a', note: {} }),
  );
  const taking = take();
  await sleep(200);
  rmSync(file);
  await (await taking).release();
});

apart(
  'LOCK-1: a process in another pid namespace is refused while the first one lives, whatever pids it can see',
  async () => {
    const first = start(true);
    expect(await first.answer()).toMatch(/^held/);
    const second = start(true);
    expect(await second.answer()).toContain('is held by process');
    expect(await second.answer()).toContain('in another container or on another host');
    await expect(take()).rejects.toMatchObject({ isHere: false });
  },
  60_000,
);

apart(
  'LOCK-2: the lock of a process in another pid namespace that was killed is taken over after a while',
  async () => {
    const first = start(true);
    expect(await first.answer()).toMatch(/^held/);
    const held = readFileSync(file, 'utf8');
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    const lock = await take();
    expect(readFileSync(file, 'utf8')).not.toBe(held);
    await lock.release();
  },
  60_000,
);

test('LOCK-3: a process whose lock was taken over is notified once, and does not remove the new lock', async () => {
  let lost = 0;
  const lock = await take(() => (lost += 1));
  writeFileSync(file, JSON.stringify({ pid: 1, processStart: 'x', instance: 'other', note: {} }));
  await until(() => lost > 0);
  await sleep(2_500);
  expect(lost).toBe(1);
  await lock.release();
  expect(existsSync(file)).toBe(true);
});

test('LOCK-3: a process can ask whether it still holds its lock', async () => {
  const lock = await take();
  expect(await lock.isHeld()).toBe(true);
  // As a process does that finds the lock stale.
  rmSync(file);
  expect(await lock.isHeld()).toBe(false);
  const next = await take();
  expect(await lock.isHeld()).toBe(false);
  expect(await next.isHeld()).toBe(true);
  await lock.release();
  expect(await next.isHeld()).toBe(true);
  await next.release();
  expect(await next.isHeld()).toBe(false);
});
