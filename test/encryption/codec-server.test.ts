/**
 * Who gets answers of the codec server, and what.
 *
 * Guarantees: G11.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { payloadCodec, startCodecServer } from '../../encryption';
import type { HttpServer } from '../../http';

const UI = 'http://localhost:8233';
const keys = mkdtempSync(path.join(tmpdir(), 'vmgroup-keys-'));
writeFileSync(path.join(keys, '1.key'), randomBytes(32).toString('base64'));
const common = { codec: payloadCodec(keys), port: 0, origins: [UI] };
let server: HttpServer;
let guarded: HttpServer;

beforeAll(async () => {
  server = await startCodecServer(common);
  guarded = await startCodecServer({ ...common, host: '0.0.0.0', token: 'a long secret token' });
});
afterAll(async () => {
  await Promise.all([server.close(), guarded.close()]);
  rmSync(keys, { recursive: true, force: true });
});

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const PLAIN = { payloads: [{ metadata: { encoding: base64('json/plain') }, data: base64('"db-1"') }] };

function ask(
  verb: string,
  body: unknown,
  headers: Record<string, string> = {},
  at = server,
): Promise<Response> {
  return fetch(`http://${at.address.replace('0.0.0.0', '127.0.0.1')}/${verb}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

test('encodes what the UI sends, and decodes what the server stores', async () => {
  const encoded = await ask('encode', PLAIN, { origin: UI, 'x-namespace': 'default' });
  expect(encoded.headers.get('access-control-allow-origin')).toBe(UI);
  const secret = await encoded.json();
  expect(JSON.stringify(secret)).not.toContain(base64('"db-1"'));
  expect(await (await ask('decode', secret)).json()).toEqual(PLAIN);
  expect(await (await ask('decode', { payloads: [] })).json()).toEqual({ payloads: [] });
});

test("answers an empty list as Temporal's command line writes it", async () => {
  for (const verb of ['encode', 'decode'])
    expect(await (await ask(verb, {})).json()).toEqual({ payloads: [] });
});

test('CODEC-1: a browser may ask for the pages of the UI, and for no other', async () => {
  const preflight = (origin: string): Promise<Response> =>
    fetch(`http://${server.address}/decode`, { method: 'OPTIONS', headers: { origin } });
  const allowed = await preflight(UI);
  expect([allowed.status, allowed.headers.get('access-control-allow-headers')]).toEqual([
    204,
    'authorization, content-type, x-namespace',
  ]);
  const refused = await preflight('http://evil.example');
  expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([403, null]);
  expect((await ask('decode', PLAIN, { origin: 'http://evil.example' })).status).toBe(403);
});

test('CODEC-1: with a token nothing is answered without it', async () => {
  const statuses = await Promise.all(
    [{}, { authorization: 'Bearer wrong' }, { authorization: 'Bearer a long secret token' }].map(
      async (headers) => (await ask('decode', PLAIN, headers, guarded)).status,
    ),
  );
  expect(statuses).toEqual([401, 401, 200]);
});

test('CODEC-2: without a token it does not listen beyond loopback', async () => {
  await expect(startCodecServer({ ...common, host: '0.0.0.0' })).rejects.toThrow('without a token');
});

test.each([
  ['no JSON', 'decode', '{', 400],
  ['another form', 'decode', { payloads: 'x' }, 400],
  ['no base64', 'decode', { payloads: [{ data: '<>' }] }, 400],
  ['base64 that was cut', 'decode', { payloads: [{ data: 'A' }] }, 400],
  ['too many payloads', 'decode', { payloads: Array.from({ length: 10_001 }, () => ({})) }, 400],
  [
    'an unknown key',
    'decode',
    {
      payloads: [
        { metadata: { encoding: base64('binary/encrypted'), 'encryption-key-id': base64('9') }, data: '' },
      ],
    },
    400,
  ],
  ['another path', 'constructor', PLAIN, 404],
])('%s is answered with an error', async (_what, verb, body, status) => {
  const response = await ask(verb, body);
  expect([response.status, (await response.text()).length > 5]).toEqual([status, true]);
});
