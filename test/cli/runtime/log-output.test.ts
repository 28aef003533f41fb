/** Logs that cannot be written for a while: LOGOUTPUT-1 and LOGOUTPUT-2. */
import { spawnSync } from 'node:child_process';
import fs, { mkdtempSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { logTo } from '../../../cli/runtime/log-output';
import { until } from '../../support/until';

const folder = mkdtempSync(path.join(tmpdir(), 'vmgroup-log-'));
const { write } = fs;
afterEach(() => jest.restoreAllMocks());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Lets writes fail as on a full disk, until the returned function is called. */
function fillDisk(): () => void {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  const spy = jest.spyOn(fs, 'write').mockImplementation((...args: unknown[]) => {
    setImmediate(args.at(-1) as (error: Error) => void, full);
  });
  return () => spy.mockImplementation(write);
}

const linesOf = (file: string): string[] => readFileSync(file, 'utf8').split('\n').filter(Boolean);

test('LOGOUTPUT-1: a log that cannot be written neither ends a process nor keeps it from ending', () => {
  const script = `
    const { openSync, writeSync } = require('node:fs');
    const { pino } = require('pino');
    const { logTo } = require('./cli/runtime/log-output.ts');
    const logger = pino({}, logTo(openSync('package.json', 'r')));
    logger.error('before');
    setTimeout(() => {
      logger.fatal('after');
      writeSync(1, 'works on');
      process.exit(3);
    }, 500);
  `;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '-e', script], {
    cwd: path.join(__dirname, '../../..'),
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  expect({ status, stdout, stderr }).toEqual({ status: 3, stdout: 'works on', stderr: '' });
});

test('LOGOUTPUT-1: what waited is written once that is possible, in order and whole', async () => {
  const file = path.join(folder, 'waited');
  const log = logTo(openSync(file, 'a'));
  log.write('0\n');
  await until(() => linesOf(file).length === 1);
  const free = fillDisk();
  for (let line = 1; line < 100; line += 1) log.write(`${line}\n`);
  await until(() => jest.mocked(fs.write).mock.calls.length > 1);
  free();
  await until(() => linesOf(file).length === 100);
  expect(linesOf(file)).toEqual(Array.from({ length: 100 }, (_, line) => `${line}`));
});

test('LOGOUTPUT-2: of more lines than may wait the last ones are lost, and the log says how many', async () => {
  const file = path.join(folder, 'lost');
  const log = logTo(openSync(file, 'a'));
  const free = fillDisk();
  const line = `${'x'.repeat(1_023)}\n`;
  for (let count = 0; count < 5_000; count += 1) log.write(line);
  free();
  const last = await until(() => linesOf(file).find((each) => each.includes('lost')));
  expect(JSON.parse(last)).toMatchObject({ level: 'warn', lost: 5_000 - 4_096 });
  expect(linesOf(file)).toHaveLength(4_097);
});

test('a large file is replaced while the process runs', async () => {
  const file = path.join(folder, 'large');
  const open = (): number => {
    if (fs.existsSync(file)) renameSync(file, `${file}.1`);
    return openSync(file, 'a');
  };
  const log = logTo({ open, limit: 100 });
  log.write(`${'x'.repeat(150)}\n`);
  await until(() => fs.existsSync(`${file}.1`));
  log.write('next\n');
  await until(() => linesOf(file).length > 0);
  expect([linesOf(file), linesOf(`${file}.1`)]).toEqual([['next'], ['x'.repeat(150)]]);
});
