/**
 * What is encrypted, and with which keys.
 *
 * Guarantees: G11.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import fc from 'fast-check';
import { decodePayloadsIn, EncryptionKeyError, payloadCodec } from '../../encryption';
import { propertyRuns } from '../support/property-runs';

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-keys-'));
let now = 1_000_000;
let folders = 0;
beforeAll(() => jest.spyOn(performance, 'now').mockImplementation(() => (now += 60_000)));
afterAll(() => {
  jest.restoreAllMocks();
  rmSync(dir, { recursive: true, force: true });
});

const newKey = (): string => randomBytes(32).toString('base64');

/** A folder of files. */
function folder(files: Record<string, string>): string {
  const at = mkdtempSync(path.join(dir, `${(folders += 1)}-`));
  add(at, files);
  return at;
}

function add(at: string, files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(at, name), text);
}

/** Payloads as JSON, whatever class their bytes are. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (_key, each: unknown) =>
      (each as { type?: string } | null)?.type === 'Buffer' || ArrayBuffer.isView(each)
        ? Buffer.from((each as { data?: Uint8Array }).data ?? (each as Uint8Array)).toString('latin1')
        : each,
    ),
  );

const payload = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);

test('a payload comes back as it was, and its ciphertext holds nothing of it', async () => {
  const codec = payloadCodec(folder({ '1.key': newKey() }));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.jsonValue(), { maxLength: 5 }), async (values) => {
      const [plain, secret] = [values.map(payload), await codec.encode(values.map(payload))];
      const decoded = await codec.decode(secret);
      expect(decoded.map((each) => defaultPayloadConverter.fromPayload(each))).toEqual(
        plain.map((each) => defaultPayloadConverter.fromPayload(each)),
      );
    }),
    { numRuns: propertyRuns(50) },
  );
  const [secret] = await codec.encode([payload('db-1 failed')]);
  expect(Buffer.from(secret?.data ?? []).includes('db-1')).toBe(false);
  expect(await codec.encode([secret as Payload])).toEqual([secret]);
});

test('CIPHER-1: a changed, cut or relabelled payload does not decrypt', async () => {
  const codec = payloadCodec(folder({ '1.key': newKey(), '2.key': newKey(), active: '1' }));
  const [secret] = (await codec.encode([payload({ vm: 'db' })])) as [Payload];
  const bytes = Buffer.from(secret.data ?? []);
  const changes: Payload[] = [
    ...[...bytes.keys()].map((at) => {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      return { ...secret, data: changed };
    }),
    { ...secret, data: bytes.subarray(0, -1) },
    { ...secret, data: bytes.subarray(0, 20) },
    { metadata: secret.metadata ?? {} },
    { ...secret, metadata: { ...secret.metadata, 'encryption-key-id': Buffer.from('2') } },
    { ...secret, metadata: { encoding: Buffer.from('binary/encrypted') } },
  ];
  for (const changed of changes) await expect(codec.decode([changed])).rejects.toThrow(EncryptionKeyError);
});

test('CIPHER-2: what is not encrypted is read as it is', async () => {
  const codec = payloadCodec(folder({ '1.key': newKey() }));
  expect(await codec.decode([payload('of before')])).toEqual([payload('of before')]);
});

test('KEYS-2: a key is added, encrypts once it is named, and what the one before encrypted stays readable', async () => {
  const at = folder({ '2026-10.key': newKey() });
  const [writer, reader] = [payloadCodec(at), payloadCodec(at)];
  const [before] = (await writer.encode([payload('before')])) as [Payload];
  add(at, { active: '2026-10\n', '2026-11.key': newKey() });
  add(at, { active: '2026-11\n' });
  const [after] = (await writer.encode([payload('after')])) as [Payload];
  expect(Buffer.from(after.metadata?.['encryption-key-id'] ?? []).toString()).toBe('2026-11');
  expect(plain(await reader.decode([before, after]))).toEqual(plain([payload('before'), payload('after')]));
  rmSync(path.join(at, '2026-10.key'));
  await expect(payloadCodec(at).decode([before])).rejects.toThrow('has no key "2026-10"');
});

test('KEYS-1: a folder that becomes unreadable does not stop a process that has its keys', async () => {
  const at = folder({ '1.key': newKey() });
  const codec = payloadCodec(at);
  rmSync(at, { recursive: true });
  expect(plain(await codec.decode(await codec.encode([payload(1)])))).toEqual(plain([payload(1)]));
});

test.each([
  ['no folder', undefined, /cannot read the folder of keys/],
  ['no key', { active: '1' }, /has no key: create one/],
  ['a short key', { '1.key': randomBytes(31).toString('base64') }, /1\.key is not a key of 32 bytes/],
  ['a key that is no base64', { '1.key': `${'!'.repeat(44)}` }, /1\.key is not a key of 32 bytes/],
  ['a large file', { '1.key': 'a'.repeat(2_000) }, /cannot read .*1\.key/],
  ['a bad id', { 'a b.key': newKey() }, /write the id of a key as/],
  ['several keys, none named', { '1.key': newKey(), '2.key': newKey() }, /write the id of the one/],
  ['a name without a key', { '1.key': newKey(), active: '2' }, /names the key "2", but there is no such/],
])('KEYS-1: %s is an error that names the file', (_what, files, message) => {
  const at = files ? folder(files) : path.join(dir, 'absent');
  expect(() => payloadCodec(at)).toThrow(message);
});

test('payloads deep in what the server returns are decoded, and failures have their message back', async () => {
  const codec = payloadCodec(folder({ '1.key': newKey() }));
  const [input] = await codec.encode([payload({ vm: 'db' })]);
  const [encodedAttributes] = await codec.encode([payload({ message: 'no disk', stack_trace: 'at' })]);
  const event = {
    eventTime: new Date(0),
    signal: { input: { payloads: [input] } },
    failure: { message: 'Encoded failure', cause: { message: 'Encoded failure', encodedAttributes } },
  };
  const readable = await decodePayloadsIn({ events: [event] }, codec);
  expect(readable.events[0]?.eventTime).toEqual(new Date(0));
  expect(plain(readable)).toEqual({
    events: [
      {
        eventTime: '1970-01-01T00:00:00.000Z',
        signal: { input: { payloads: [plain(payload({ vm: 'db' }))] } },
        failure: {
          message: 'Encoded failure',
          cause: { message: 'no disk', stackTrace: 'at', encodedAttributes: null },
        },
      },
    ],
  });
});

test('a failure with attributes that nothing can read does not keep the rest from being decoded', async () => {
  const codec = payloadCodec(folder({ '1.key': newKey() }));
  const [input] = await codec.encode([payload({ vm: 'db' })]);
  const unreadable = [
    { metadata: { encoding: Buffer.from('forged') }, data: Buffer.from('x') },
    { metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from('{') },
  ];
  for (const encodedAttributes of unreadable) {
    const event = { input, failure: { message: 'no disk', encodedAttributes } };
    const readable = await decodePayloadsIn(event, codec);
    expect(plain(readable.input)).toEqual(plain(payload({ vm: 'db' })));
    expect(readable.failure.message).toBe('no disk');
  }
});
