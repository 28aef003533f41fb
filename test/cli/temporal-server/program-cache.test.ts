import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { install, isExecutable } from '../../../cli/temporal-server/program-cache';

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-cache-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const PROGRAM = '#!/bin/sh\necho here\n';
const SHA256 = createHash('sha256').update(PROGRAM).digest('hex');

/** Fetches a file with this text. */
function fetchText(text: string): (draft: string) => Promise<string> {
  return async (draft) => {
    writeFileSync(path.join(draft, 'fetched'), text);
    return path.join(draft, 'fetched');
  };
}

it('moves a program with the right checksum to its place', async () => {
  const target = path.join(dir, 'right/1.0/tool');
  await install({ target, sha256: SHA256, fetchInto: fetchText(PROGRAM) });
  expect(readFileSync(target, 'utf8')).toBe(PROGRAM);
  expect(await isExecutable(target)).toBe(true);
  expect(readdirSync(path.dirname(target))).toEqual(['tool']);
});

it('refuses a program with another checksum, and leaves nothing of it', async () => {
  const target = path.join(dir, 'wrong/1.0/tool');
  await expect(
    install({ target, sha256: SHA256, fetchInto: fetchText(`${PROGRAM}# more\n`) }),
  ).rejects.toThrow(new RegExp(`^fetched has the SHA-256 [0-9a-f]{64}, expected ${SHA256}$`));
  expect(readdirSync(path.dirname(target))).toEqual([]);
});

it('leaves nothing of a program that could not be fetched', async () => {
  const target = path.join(dir, 'failed/1.0/tool');
  const fetchInto = async (draft: string): Promise<string> => {
    writeFileSync(path.join(draft, 'half'), 'half');
    throw new Error('no network');
  };
  await expect(install({ target, fetchInto })).rejects.toThrow('no network');
  expect(existsSync(target)).toBe(false);
  expect(readdirSync(path.dirname(target))).toEqual([]);
});

it('fetches once when several ask at the same time, and says that the others wait', async () => {
  const target = path.join(dir, 'once/1.0/tool');
  let fetched = 0;
  const said: string[] = [];
  const fetchInto = async (draft: string): Promise<string> => {
    fetched += 1;
    await sleep(500);
    return fetchText(PROGRAM)(draft);
  };
  const onProgress = (message: string): void => void said.push(message);
  await Promise.all([1, 2, 3].map(() => install({ target, fetchInto, onProgress })));
  expect(fetched).toBe(1);
  expect(said).toEqual(
    [1, 2].map(() => `waiting for another process that installs into ${path.dirname(target)}`),
  );
  expect(readdirSync(path.dirname(target))).toEqual(['tool']);
});

it('installs after a process that was killed in the middle, and removes what it left', async () => {
  const target = path.join(dir, 'killed/1.0/tool');
  const folder = path.dirname(target);
  const script = `
    const { install } = require('./cli/temporal-server/program-cache');
    const stay = () => new Promise(() => setInterval(() => console.log('fetching'), 100));
    void install({ target: ${JSON.stringify(target)}, fetchInto: stay });`;
  const holder = spawn(process.execPath, ['--require', 'tsx/cjs', '--eval', script], {
    cwd: path.join(__dirname, '../../..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(holder, 'exit');
  await once(holder.stdout, 'data');
  const left = readdirSync(folder);
  holder.kill('SIGKILL');
  await ended;
  expect(left).toEqual([expect.stringMatching(/^\.draft-/), '.lock']);
  await install({ target, fetchInto: fetchText(PROGRAM) });
  expect(readdirSync(folder)).toEqual(['tool']);
});
