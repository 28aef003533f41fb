/**
 * No request ends a process: HTTP-1 and HTTP-2 of `http/server.ts`, for every server that vmgroup starts.
 *
 * Guarantees: G3, G11.
 */
import fc from 'fast-check';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectPlain, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { HTTP_LIMITS, startHttpServer } from '../../http';
import { until } from '../support/until';

const SERVERS = ['health', 'webhook', 'simulator', 'board'] as const;
type Name = (typeof SERVERS)[number];

const folder = mkdtempSync(path.join(tmpdir(), 'vmgroup-http-'));
const errors: string[] = [];
let child: ChildProcess;
let ports: Record<Name, number>;
beforeAll(async () => {
  child = fork(path.join(__dirname, 'servers-child.ts'), [folder], {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  child.stderr?.on('data', (chunk: Buffer) => errors.push(chunk.toString()));
  [ports] = (await once(child, 'message')) as [Record<Name, number>];
  child.on('message', ({ error }: { error: string }) => errors.push(error));
});
afterAll(async () => {
  child.kill('SIGKILL');
  await once(child, 'exit');
  rmSync(folder, { recursive: true, force: true });
});

function open(name: Name): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: ports[name], rejectUnauthorized: false };
    const socket: Socket =
      name === 'webhook'
        ? connectTls(options, () => resolve(socket))
        : connectPlain(options, () => resolve(socket));
    socket.on('error', reject);
  });
}

/** Sends bytes and returns the first line of each answer once the server, or `patience` milliseconds, ended the connection. */
async function send(name: Name, bytes: string | Buffer, patience = 300): Promise<string> {
  const socket = await open(name);
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  socket.on('error', () => undefined);
  socket.write(bytes);
  await Promise.race([
    once(socket, 'close').catch(() => undefined),
    sleep(patience, undefined, { ref: false }),
  ]);
  socket.destroy();
  return [...text.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => status).join(' ');
}

const PROBES: Record<Name, [request: string, status: string]> = {
  health: ['GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', '200'],
  webhook: ['GET /validate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n', '405'],
  simulator: ['GET /v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', '200'],
  board: ['GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', '200'],
};

async function expectHealthy(name: Name): Promise<void> {
  const [request, status] = PROBES[name];
  expect(await send(name, request, 10_000)).toBe(status);
  expect(child.exitCode ?? child.signalCode).toBeNull();
  expect(errors).toEqual([]);
}

const HEAD = 'Host: localhost\r\nContent-Type: application/json\r\n';
const TARGETS = [
  '//',
  '///',
  '//[',
  '//%',
  '/\\',
  '*',
  '/%',
  '/%zz',
  '/%c0%af',
  '/v1/vms/%/%',
  '/v1/vms/%ff/a?uid=%',
  '/v1/journal?since=1e999',
  '/v1/journal?since=-1',
  'http://',
  'http://[',
  'http://x',
  'http://x//',
  'https://user:p@x:99999/healthz?%',
  '/constructor',
  '/__proto__',
  '?',
  '/?',
  '/#',
  `/${'a'.repeat(15_000)}`,
  `/${'%41'.repeat(5_000)}`,
];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH', 'PURGE', 'CONNECT'];
const PATHS = [
  '/',
  '/events',
  '/healthz',
  '/readyz',
  '/metrics',
  '/validate',
  '/mutate',
  '/v1/power',
  '/v1/place',
  '/v1/watch',
];

const REQUESTS: Record<string, (string | Buffer)[]> = {
  targets: TARGETS.flatMap((target) => [
    `GET ${target} HTTP/1.1\r\n${HEAD}\r\n`,
    `POST ${target} HTTP/1.1\r\n${HEAD}Content-Length: 2\r\n\r\n{}`,
  ]),
  methods: METHODS.flatMap((method) =>
    PATHS.map((where) => `${method} ${where} HTTP/1.1\r\n${HEAD}Content-Length: 4\r\n\r\nnull`),
  ),
  'request lines': [
    '\r\n\r\n\r\n\r\n',
    'GET\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'GET / HTTP/1.1',
    'G\0T / HTTP/1.1\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'GET /healthz HTTP/1.0\r\n\r\n',
    'GET / HTTP/1.1\r\n\r\n',
    Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]),
    Buffer.alloc(70_000, 0xff),
  ],
  headers: [
    `GET / HTTP/1.1\r\nX: ${'a'.repeat(100_000)}\r\n\r\n`,
    `GET / HTTP/1.1\r\n${'X: a\r\n'.repeat(20_000)}\r\n`,
    `GET / HTTP/1.1\r\n${HEAD}: empty\r\n\r\n`,
    `GET / HTTP/1.1\r\n${HEAD}X: \x01\r\n\r\n`,
    `POST /validate HTTP/1.1\r\n${HEAD}Content-Length: -1\r\n\r\n`,
    `POST /validate HTTP/1.1\r\n${HEAD}Content-Length: 99999999999999999999\r\n\r\n`,
    `POST /v1/power HTTP/1.1\r\n${HEAD}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`,
    `POST /v1/power HTTP/1.1\r\n${HEAD}Expect: 200-ok\r\nContent-Length: 2\r\n\r\n{}`,
    `POST /v1/power HTTP/1.1\r\n${HEAD}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}`,
    `GET / HTTP/1.1\r\n${HEAD}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n`,
    `GET / HTTP/1.1\r\n${HEAD}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n`,
  ],
  bodies: ['/validate', '/v1/power', '/v1/place', '/healthz'].flatMap((where) => [
    `POST ${where} HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    `POST ${where} HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n`,
    `POST ${where} HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n2;${'x'.repeat(50_000)}\r\n{}\r\n0\r\n\r\n`,
    `POST ${where} HTTP/1.1\r\n${HEAD}Transfer-Encoding: gzip\r\n\r\n{}`,
    `POST ${where} HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n${'X: a\r\n'.repeat(10_000)}\r\n`,
    `POST ${where} HTTP/1.1\r\n${HEAD}Content-Length: 7\r\n\r\n\xff\xfe\x00{}`,
    `POST ${where} HTTP/1.1\r\n${HEAD}Content-Length: 30000\r\n\r\n${'['.repeat(30_000)}`,
    `POST ${where} HTTP/1.1\r\n${HEAD}Content-Length: 27\r\n\r\n{"__proto__":{"vms":[null]}}`,
  ]),
  pipelines: [
    PATHS.map((where) => `GET ${where} HTTP/1.1\r\n${HEAD}\r\n`)
      .join('')
      .repeat(200),
    `GET // HTTP/1.1\r\n${HEAD}\r\n`.repeat(1_000),
  ],
};

describe.each(SERVERS)('HTTP-1: %s', (name) => {
  test.each(Object.keys(REQUESTS))('answers after odd %s', async (kind) => {
    const requests = REQUESTS[kind] ?? [];
    await Promise.all(requests.map((bytes) => send(name, bytes)));
    // Again, disconnecting immediately.
    await Promise.all(requests.map((bytes) => send(name, bytes, 0)));
    await expectHealthy(name);
  });

  test('answers after random bytes and mutations of requests', async () => {
    const valid = fc
      .tuple(fc.constantFrom(...METHODS), fc.constantFrom(...PATHS, ...TARGETS), fc.json())
      .map(
        ([method, target, body]) =>
          `${method} ${target} HTTP/1.1\r\n${HEAD}Content-Length: ${body.length}\r\n\r\n${body}`,
      );
    const mutated = fc
      .tuple(valid, fc.nat(), fc.uint8Array({ maxLength: 8 }), fc.nat({ max: 8 }))
      .map(([text, at, bytes, cut]) => {
        const start = at % (text.length + 1);
        return Buffer.concat([
          Buffer.from(text.slice(0, start)),
          bytes,
          Buffer.from(text.slice(start + cut)),
        ]);
      });
    const samples = fc.sample(
      fc.oneof(
        mutated,
        mutated,
        fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
      ),
      300,
    );
    for (let from = 0; from < samples.length; from += 50)
      await Promise.all(samples.slice(from, from + 50).map((bytes) => send(name, bytes, 200)));
    await expectHealthy(name);
  });

  test('a request target that is no path is not found', async () => {
    const close = 'Connection: close\r\n';
    expect(await send(name, `GET // HTTP/1.1\r\n${HEAD}${close}\r\n`, 10_000)).toBe('404');
  });
});

describe.each(SERVERS)('HTTP-2: %s', (name) => {
  const { headersTime, requestTime } = HTTP_LIMITS[name];
  const patience = Math.max(headersTime, requestTime) + 20_000;

  test('slow clients are disconnected, others are served meanwhile', async () => {
    const drips: [title: string, first: string, again: string, answer: RegExp][] = [
      ['says nothing', '', '', /^(408)?$/],
      ['headers without end', 'GET /healthz HTTP/1.1\r\n', 'X: a\r\n', /^(408|431)$/],
      [
        'a body without end',
        `POST /validate HTTP/1.1\r\n${HEAD}Content-Length: 1000000\r\n\r\n`,
        ' ',
        /^(408|404|405|415)?$/,
      ],
      [
        'chunks without end',
        `POST /v1/power HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n`,
        '1\r\n \r\n',
        /^(408|404|405)?$/,
      ],
    ];
    const ended = drips.map(async ([, first, again]) => {
      const socket = await open(name);
      let text = '';
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
      socket.on('error', () => undefined);
      if (first !== '') socket.write(first);
      const dripping = setInterval(() => again !== '' && socket.writable && socket.write(again), 500);
      await Promise.race([once(socket, 'close'), sleep(patience, undefined, { ref: false })]);
      clearInterval(dripping);
      const closed = socket.destroyed;
      socket.destroy();
      return { closed, status: /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? '' };
    });
    await expectHealthy(name);
    for (const [index, { closed, status }] of (await Promise.all(ended)).entries()) {
      expect(closed).toBe(true);
      expect(status).toMatch(drips[index]?.[3] ?? /-/);
    }
    await expectHealthy(name);
  }, 90_000);

  test('connections beyond the limit are closed, and the server answers once they are gone', async () => {
    const { connections } = HTTP_LIMITS[name];
    const sockets = Array.from({ length: connections + 20 }, () =>
      connectPlain({ host: '127.0.0.1', port: ports[name] }).on('error', () => undefined),
    );
    let closed = 0;
    sockets.forEach((socket) => socket.resume().once('close', () => (closed += 1)));
    await until(() => closed >= 20);
    sockets.forEach((socket) => socket.destroy());
    await until(() => closed === sockets.length);
    await expectHealthy(name);
  });
});

test('HTTP-2: bodies that exceed a limit are refused', async () => {
  const server = await startHttpServer({
    port: 0,
    limits: { ...HTTP_LIMITS.simulator, bodyBytes: 100, allBodiesBytes: 150 },
    handle: async ({ body, response }) => {
      const text = await body();
      if (text.startsWith('slow')) await sleep(500);
      response.end(text);
    },
  });
  const post = (body: string): Promise<number> =>
    fetch(`http://${server.address}/`, { method: 'POST', body }).then(({ status }) => status);
  expect(await post('a'.repeat(100))).toBe(200);
  expect(await post('a'.repeat(101))).toBe(413);
  const slow = post('slow'.repeat(20));
  await sleep(100);
  expect(await post('a'.repeat(90))).toBe(503);
  expect(await slow).toBe(200);
  expect(await post('a'.repeat(90))).toBe(200);
  await server.close();
});

test('HTTP-1: a handler that throws answers 500, and the error is reported', async () => {
  const reported: unknown[] = [];
  const fault = new Error('unexpected');
  const server = await startHttpServer({
    port: 0,
    limits: HTTP_LIMITS.health,
    handle: ({ path: where }) => {
      if (where === '/throws') throw fault;
      return Promise.reject(fault);
    },
    onError: (error) => reported.push(error),
  });
  for (const where of ['throws', 'rejects']) {
    const answer = await fetch(`http://${server.address}/${where}`);
    expect([answer.status, await answer.text()]).toEqual([500, 'Error: unexpected\n']);
  }
  expect(reported).toEqual([fault, fault]);
  await server.close();
});
