import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { startHealth, temporalFlags, temporalTarget, untilReachable } from '../../worker';

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-connection-'));
const file = path.join(dir, 'temporal.toml');
writeFileSync(file, '[profile.default]\naddress = "file:7233"\nnamespace = "of-file"\n');
const before = { ...process.env };
beforeEach(() => {
  for (const name of Object.keys(process.env)) if (name.startsWith('TEMPORAL_')) delete process.env[name];
  process.env['TEMPORAL_CONFIG_FILE'] = path.join(dir, 'none.toml');
});
afterAll(() => {
  process.env = before;
  rmSync(dir, { recursive: true, force: true });
});

test.each([
  ['nothing', {}, {}, 'localhost:7233', 'default'],
  ['the file', { TEMPORAL_CONFIG_FILE: file }, {}, 'file:7233', 'of-file'],
  [
    'the environment over the file',
    { TEMPORAL_CONFIG_FILE: file, TEMPORAL_ADDRESS: 'env:1' },
    {},
    'env:1',
    'of-file',
  ],
  [
    'flags over the environment',
    { TEMPORAL_ADDRESS: 'env:1', TEMPORAL_NAMESPACE: 'of-env' },
    { address: 'flag:2', namespace: 'of-flag' },
    'flag:2',
    'of-flag',
  ],
])('%s', (_what, env, flags, address, namespace) => {
  Object.assign(process.env, env);
  expect(temporalTarget(flags)).toMatchObject({ address, namespace, connectionOptions: { address } });
});

test.each([
  ['the default server', {}, '127.0.0.1:7233', 'default', ''],
  ['another port', {}, '127.0.0.1:7234', 'default', ' --address 127.0.0.1:7234'],
  ['another namespace', {}, 'localhost:7233', 'prod', ' --namespace prod'],
  [
    'the server of the environment',
    { TEMPORAL_ADDRESS: 'env:1', TEMPORAL_NAMESPACE: 'prod' },
    'env:1',
    'prod',
    '',
  ],
  [
    'a server other than that of the file',
    { TEMPORAL_CONFIG_FILE: file },
    'localhost:7233',
    'default',
    ' --address localhost:7233 --namespace default',
  ],
])('flags for commands of temporal: %s', (_what, env, address, namespace, flags) => {
  Object.assign(process.env, env);
  expect(temporalFlags({ address, namespace })).toBe(flags);
});

test('an API key from the environment reaches the connection', () => {
  Object.assign(process.env, { TEMPORAL_API_KEY: 'key' });
  expect(temporalTarget().connectionOptions).toMatchObject({ apiKey: 'key' });
});

test('a server that comes up late is waited for, and the wait ends with the process', async () => {
  const logger = pino({ level: 'silent' });
  let tries = 0;
  const connect = async () => {
    if (++tries < 3) throw new Error('not yet');
    return tries;
  };
  expect(await untilReachable(connect, { logger, signal: new AbortController().signal })).toBe(3);
  const stop = new AbortController();
  const never = untilReachable(() => Promise.reject(new Error('never')), { logger, signal: stop.signal });
  stop.abort(new Error('stopped'));
  await expect(never).rejects.toThrow(/stopped|aborted/);
});

test('the health page says why the process is not ready', async () => {
  let reason: string | undefined = 'the worker does not poll yet';
  const health = await startHealth({ port: 0, notReady: () => reason });
  const get = async (page: string) => {
    const response = await fetch(`http://${health.address}${page}`);
    return `${response.status} ${(await response.text()).split('\n')[0]}`;
  };
  expect(health.address).toMatch(/^127\.0\.0\.1:/);
  expect(await get('/healthz')).toBe('200 ok');
  expect(await get('/readyz')).toBe('503 the worker does not poll yet');
  reason = undefined;
  expect(await get('/readyz')).toBe('200 ok');
  expect(await get('/metrics')).toMatch(/^200 # HELP/);
  expect(await get('/x')).toBe('404 pages: /healthz /readyz /metrics');
  await health.close();
});
