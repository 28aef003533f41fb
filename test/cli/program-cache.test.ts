import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createHash } from 'node:crypto';
import { install, isExecutable } from '../../cli/program-cache';

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
