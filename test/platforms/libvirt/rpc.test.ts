/**
 * Calls of libvirt's RPC against a server that answers as scripted.
 *
 * Guarantees: G3.
 */
import fc from 'fast-check';
import { Duplex, PassThrough } from 'node:stream';
import {
  ConnectionError,
  LibvirtError,
  MOST_AT_ONCE,
  RpcClient,
} from '../../../platforms/libvirt/rpc/client';
import { FrameReader, MAX_MESSAGE, writeFrame, type Frame } from '../../../platforms/libvirt/rpc/frames';
import { XdrError, XdrReader, XdrWriter } from '../../../platforms/libvirt/rpc/xdr';
import { propertyRuns } from '../../support/property-runs';
import { until } from '../../support/until';
import { anyCharacter } from '../../support/any-character';

const REMOTE = 0x20008086;
const KEEPALIVE = 0x6b656570;

/** The daemon's end of a connection: what it has received, and what it sends. */
class Script {
  readonly seen: Frame[] = [];
  readonly stream: Duplex;
  readonly #down = new PassThrough();

  constructor() {
    const reader = new FrameReader();
    const up = new PassThrough();
    up.on('data', (chunk: Buffer) => this.seen.push(...reader.push(chunk)));
    this.stream = Duplex.from({ readable: this.#down, writable: up });
  }

  send(frame: Partial<Frame>): void {
    this.raw(
      writeFrame({
        program: REMOTE,
        procedure: 1,
        type: 1,
        serial: 1,
        status: 0,
        body: Buffer.alloc(0),
        ...frame,
      }),
    );
  }

  raw(bytes: Buffer): void {
    this.#down.write(bytes);
  }

  end(): void {
    this.#down.end();
  }
}

const none = Buffer.alloc(0);
const text = (words: string): Buffer => new XdrWriter().string(words).done();
let script: Script;
let client: RpcClient;
let events: number[];

beforeEach(() => {
  script = new Script();
  events = [];
  client = new RpcClient(script.stream, (procedure, body) => {
    body.u32();
    events.push(procedure);
  });
});
afterEach(() => client.close());

test('a reply goes to its call, in whatever order replies come', async () => {
  const calls = [client.call(1, none), client.call(2, none)];
  await until(() => script.seen.length === 2);
  script.send({ serial: script.seen[1]?.serial ?? 0, body: text('second') });
  script.send({ serial: script.seen[0]?.serial ?? 0, body: text('first') });
  expect((await Promise.all(calls)).map((reply) => reply.string())).toEqual(['first', 'second']);
});

test('a refusal has the code, the part of libvirt and its words', async () => {
  const call = client.call(196, none);
  await until(() => script.seen.length === 1);
  const body = new XdrWriter().u32(55).u32(10).u32(1).string('domain is already running').done();
  script.send({ serial: 1, status: 1, body });
  const error: unknown = await call.catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LibvirtError);
  expect(error).toMatchObject({ code: 55, domain: 10, message: 'domain is already running' });
});

test('events are reported, pings are answered, and what is not known is ignored', async () => {
  script.send({ procedure: 318, type: 2, body: Buffer.alloc(4) });
  script.send({ program: KEEPALIVE, procedure: 1, type: 2 });
  script.send({ program: 0x1234, procedure: 9, type: 2 });
  script.send({ serial: 4_711 });
  await until(() => script.seen.some(({ program, procedure }) => program === KEEPALIVE && procedure === 2));
  expect(events).toEqual([318]);
  expect(client.closed.aborted).toBe(false);
});

test('LIBVIRT-4: the daemon has four calls at most, the next ones follow as it answers', async () => {
  const calls = Array.from({ length: 10 }, (_, index) => client.call(index, none));
  await until(() => script.seen.length === MOST_AT_ONCE);
  for (let serial = 1; serial <= 10; serial += 1) {
    await until(() => script.seen.length >= serial);
    expect(script.seen.length).toBeLessThanOrEqual(serial + MOST_AT_ONCE - 1);
    script.send({ serial });
  }
  await Promise.all(calls);
});

test('LIBVIRT-3: a call ends with its signal, before and after it was sent', async () => {
  const stop = new AbortController();
  const calls = Array.from({ length: 6 }, () => client.call(1, none, stop.signal));
  const ended = Promise.allSettled(calls);
  await until(() => script.seen.length === MOST_AT_ONCE);
  stop.abort(new Error('given up'));
  for (const each of await ended)
    expect(each).toMatchObject({ status: 'rejected', reason: { message: 'given up' } });
  await expect(client.call(1, none, stop.signal)).rejects.toThrow('given up');
  // The places of those that were sent come free with their replies.
  const next = client.call(2, none);
  for (let serial = 1; serial <= MOST_AT_ONCE; serial += 1) script.send({ serial });
  await until(() => script.seen.length === MOST_AT_ONCE + 1);
  script.send({ serial: MOST_AT_ONCE + 1 });
  await next;
});

test('LIBVIRT-3: every call ends with the connection, and says why', async () => {
  const ended = Promise.allSettled(Array.from({ length: 6 }, () => client.call(1, none)));
  script.end();
  for (const each of await ended)
    expect(each).toMatchObject({ reason: new ConnectionError('the daemon closed the connection') });
  await expect(client.call(1, none)).rejects.toThrow(ConnectionError);
});

test.each([
  ['a length of 0', Buffer.from([0, 0, 0, 0])],
  ['a length of 4 GB', Buffer.from([255, 255, 255, 255])],
  ['the greeting of another protocol', Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')],
  [
    'an event that ends too early',
    writeFrame({ program: REMOTE, procedure: 318, type: 2, serial: 0, status: 0, body: none }),
  ],
])('G3, LIBVIRT-2: %s ends the connection, and not the process', async (_what, bytes) => {
  const call = client.call(1, none);
  script.raw(bytes);
  await expect(call).rejects.toThrow(/sent what cannot be read/);
});

test('LIBVIRT-2: messages are read from pieces of every size', () => {
  const frames = [text('a'), none, text('b'.repeat(5_000))].map((body, serial) => ({
    program: REMOTE,
    procedure: 7,
    type: 1,
    serial,
    status: 0,
    body,
  }));
  const bytes = Buffer.concat(frames.map(writeFrame));
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
      const reader = new FrameReader();
      const at = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
      const read = at.flatMap((from, index) => [...reader.push(bytes.subarray(from, at[index + 1]))]);
      expect(read).toEqual(frames);
    }),
    { numRuns: propertyRuns(100) },
  );
  expect(() => writeFrame({ ...(frames[0] as Frame), body: Buffer.alloc(MAX_MESSAGE) })).toThrow(XdrError);
});

test('LIBVIRT-1: items read as they were written, and any bytes give a value or an XdrError', () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter }), fc.nat(), fc.uint8Array(), (words, number, junk) => {
      const written = new XdrWriter()
        .u32(number)
        .string(words)
        .optionalString(words)
        .optionalString(undefined)
        .done();
      const reader = new XdrReader(written);
      const read = [
        reader.u32(),
        reader.string(),
        reader.optional(() => reader.string()),
        reader.optional(() => reader.string()),
      ];
      const utf8 = Buffer.from(words, 'utf8').toString('utf8');
      expect(read).toEqual([number, utf8, utf8, undefined]);
      const hostile = new XdrReader(Buffer.from(junk));
      try {
        hostile.list(10, () => hostile.optional(() => [hostile.string(), hostile.u64(), hostile.fixed(16)]));
      } catch (error: unknown) {
        expect(error).toBeInstanceOf(XdrError);
      }
    }),
    { numRuns: propertyRuns(300) },
  );
});
