/** Calls to Temporal that are on their way, or about to be tried again, when their connection is closed. */
import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { isGrpcCancelledError } from '@temporalio/client';
import { connectClient, type TemporalClient } from '../../worker';
import { until } from '../support/until';

/** The answer to a connection's first question, empty: one message of no bytes. */
const NO_CAPABILITIES = Buffer.alloc(5);
const UNAVAILABLE = { 'grpc-status': '14', 'grpc-message': 'away' };

let server: Http2Server;
const sessions = new Set<ServerHttp2Session>();
/** Calls that were made, the first question aside. */
let calls: ServerHttp2Stream[] = [];
let temporal: TemporalClient;

beforeEach(async () => {
  calls = [];
  server = createServer()
    .on('session', (session) => sessions.add(session))
    .on('stream', (stream, headers) => {
      stream.on('error', () => undefined);
      if (!String(headers[':path']).endsWith('/GetSystemInfo')) return calls.push(stream);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      return stream.end(NO_CAPABILITIES);
    });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  temporal = await connectClient({ address, namespace: 'default', connectionOptions: { address } });
});
afterEach(async () => {
  await temporal.close();
  for (const session of sessions) session.destroy();
  server.close();
});

const ask = () => temporal.client.workflowService.describeNamespace({ namespace: 'default' });
const refuse = (call: ServerHttp2Stream | undefined) =>
  call?.respond({ ':status': 200, 'content-type': 'application/grpc', ...UNAVAILABLE }, { endStream: true });
const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => undefined,
    (error: unknown) => error,
  );

test('a call that waits to be tried again is cancelled', async () => {
  const failure = failureOf(ask());
  await until(() => calls.length === 1);
  refuse(calls[0]);
  // It is tried again, and waits again: a second refusal takes another path through the library.
  await until(() => calls.length === 2);
  const refused = once(calls[1] as ServerHttp2Stream, 'close');
  refuse(calls[1]);
  await refused;
  await temporal.close();
  expect(isGrpcCancelledError(await failure)).toBe(true);
  expect(calls).toHaveLength(2);
});

test('a call on its way that loses its server is cancelled', async () => {
  const failure = failureOf(ask());
  await until(() => calls.length === 1);
  await temporal.close();
  for (const session of sessions) session.destroy();
  expect(isGrpcCancelledError(await failure)).toBe(true);
});

test('a call that begins afterwards is cancelled', async () => {
  await temporal.close();
  expect(isGrpcCancelledError(await failureOf(ask()))).toBe(true);
});
