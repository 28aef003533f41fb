/**
 * The checks of Temporal, on a server that refuses what only administrators may do.
 *
 * Guarantees: G8.
 */
import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkTemporal } from '../../../cli/doctor/temporal';

/** One message of gRPC. */
function message(bytes: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

const VERSION = Buffer.from('1.32.0');
/** Answers by the end of the path; every other call is refused. */
const ANSWERS: Record<string, Buffer> = {
  GetSystemInfo: message(Buffer.concat([Buffer.from([0x0a, VERSION.length]), VERSION])),
  DescribeNamespace: message(Buffer.alloc(0)),
};
const DENIED = { 'grpc-status': '7', 'grpc-message': 'Request unauthorized.' };
const GRPC = { ':status': 200, 'content-type': 'application/grpc' };

let server: Http2Server;
const sessions = new Set<ServerHttp2Session>();
let temporal: string;
beforeAll(async () => {
  server = createServer()
    .on('session', (session) => sessions.add(session))
    .on('stream', (stream, headers) => {
      const answer = ANSWERS[String(headers[':path']).replace(/^.*\//, '')];
      if (!answer) return stream.respond({ ...GRPC, ...DENIED }, { endStream: true });
      stream.respond(GRPC, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(answer);
    })
    .listen(0, '127.0.0.1');
  await once(server, 'listening');
  temporal = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  for (const session of sessions) session.destroy();
  server.close();
});

const absent = path.join(tmpdir(), 'vmgroup-absent');

test('DOCTOR-1: a check that the server refuses is a problem, and the others are made', async () => {
  const results = await checkTemporal({ temporal, data: absent });
  expect(results).toEqual([
    expect.objectContaining({ check: 'temporal server', result: 'ok' }),
    expect.objectContaining({
      check: 'search attributes',
      result: 'problem',
      message: expect.stringContaining('Request unauthorized.') as string,
    }),
    expect.objectContaining({ check: 'worker', result: 'problem' }),
    expect.objectContaining({ check: 'runs', result: 'note' }),
  ]);
});

test('DOCTOR-1: keys that cannot be read are a problem', async () => {
  process.env['VMGROUP_ENCRYPTION_KEYS'] = absent;
  try {
    expect(await checkTemporal({ temporal, data: absent })).toEqual([
      expect.objectContaining({
        check: 'temporal settings',
        result: 'problem',
        message: expect.stringContaining(`cannot read the folder of keys ${absent}`) as string,
      }),
    ]);
  } finally {
    delete process.env['VMGROUP_ENCRYPTION_KEYS'];
  }
});
