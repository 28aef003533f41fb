/**
 * Probes against real servers: HTTP-PROBE-1, HTTP-PROBE-2, PROBER-1.
 *
 * Guarantees: G11.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Prober, untilProbed } from '../../activities/probes';
import type { HttpGetProbe, Probe } from '../../api';
import type { GuestReport } from '../../platforms';
import { createAuthority } from '../support/certificates';
import { until } from '../support/until';
import { freePort } from '../support/ports';

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-probes-'));
const caFile = path.join(dir, 'ca.crt');
const [certFile, keyFile] = [path.join(dir, 'server.crt'), path.join(dir, 'server.key')];
beforeAll(() => createAuthority(dir).issue(certFile, keyFile));
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Listens on loopback until the test is over; resolves with the port. */
async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const never = new AbortController().signal;

function tcp(port: number, more: Partial<Probe> = {}): Probe {
  return { tcpSocket: { port }, period: 100, timeout: 500, successThreshold: 1, ...more };
}

function http(port: number, more: Partial<HttpGetProbe> = {}): Probe {
  const httpGet: HttpGetProbe = { port, host: '127.0.0.1', scheme: 'HTTP', path: '/', ...more };
  return { httpGet, period: 100, timeout: 500, successThreshold: 1 };
}

function ask(probe: Probe, address = '127.0.0.1'): Promise<{ ok: boolean; text: string }> {
  return new Prober().try(probe, { address }, never);
}

describe('tcpSocket', () => {
  test('an open port is a success, a closed one says so', async () => {
    const open = await listen(createServer());
    const closed = await freePort();
    expect(await ask(tcp(open))).toEqual({ ok: true, text: `tcp 127.0.0.1:${open}: connected` });
    expect(await ask(tcp(closed))).toEqual({
      ok: false,
      text: `tcp 127.0.0.1:${closed}: connection refused`,
    });
  });

  test("a named host outranks the guest's address, and one that does not exist says so", async () => {
    const open = await listen(createServer());
    const named = { ...tcp(open), tcpSocket: { port: open, host: 'localhost' } };
    expect(await ask(named, '192.0.2.1')).toEqual({ ok: true, text: `tcp localhost:${open}: connected` });
    const missing = { ...tcp(open), tcpSocket: { port: open, host: 'no-such-host.invalid' }, timeout: 5_000 };
    const { ok, text } = await ask(missing);
    expect(ok).toBe(false);
    expect(text).toMatch(/^tcp no-such-host\.invalid:\d+: (no such host|the name server does not answer)$/);
  });

  test('an IPv6 address is written in brackets', async () => {
    const { text } = await ask(tcp(1), '::1');
    expect(text).toMatch(/^tcp \[::1\]:1: /);
  });
});

describe('httpGet', () => {
  const server = (listener: RequestListener): Promise<number> => listen(createHttpServer(listener));

  test('the status decides: 200 to 399, or the expected one', async () => {
    const port = await server((request, response) => response.writeHead(Number(request.url?.slice(1))).end());
    const at = (path: string): string => `GET http://127.0.0.1:${port}${path}`;
    expect(await ask(http(port, { path: '/204' }))).toEqual({ ok: true, text: `${at('/204')}: 204` });
    expect(await ask(http(port, { path: '/503' }))).toEqual({
      ok: false,
      text: `${at('/503')}: 503, expected 200 to 399`,
    });
    expect(await ask(http(port, { path: '/401', expectedStatus: 401 }))).toMatchObject({ ok: true });
    expect(await ask(http(port, { path: '/204', expectedStatus: 200 }))).toEqual({
      ok: false,
      text: `${at('/204')}: 204, expected 200`,
    });
  });

  test('HTTP-PROBE-1: no redirect is followed and no proxy is asked', async () => {
    const asked: string[] = [];
    const other = await server((request, response) => {
      asked.push(request.url ?? '');
      response.end();
    });
    const port = await server((_, response) =>
      response.writeHead(302, { location: `http://127.0.0.1:${other}/elsewhere` }).end(),
    );
    const names = ['http_proxy', 'HTTP_PROXY', 'NODE_USE_ENV_PROXY'];
    const before = names.map((name) => process.env[name]);
    for (const name of names) process.env[name] = name.startsWith('NODE') ? '1' : `http://127.0.0.1:${other}`;
    try {
      expect(await ask(http(port))).toMatchObject({
        ok: true,
        text: expect.stringMatching(/: 302$/) as string,
      });
    } finally {
      names.forEach((name, index) => {
        if (before[index] === undefined) delete process.env[name];
        else process.env[name] = before[index];
      });
    }
    expect(asked).toEqual([]);
  });

  test('HTTP-PROBE-2: a body without end is not read, headers without end are refused', async () => {
    let written = 0;
    const endless = await server((_, response) => {
      const timer = setInterval(() => {
        response.write('x'.repeat(65_536));
        written += 1;
      }, 1);
      response.on('close', () => clearInterval(timer));
    });
    expect(await ask(http(endless))).toMatchObject({ ok: true });
    await until(async () => {
      const before = written;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return written === before;
    });
    const headers = await listen(
      createServer((socket) => {
        socket.write('HTTP/1.1 200 OK\r\n');
        const timer = setInterval(() => socket.write(`x: ${'y'.repeat(4_096)}\r\n`), 1);
        socket.on('close', () => clearInterval(timer));
      }),
    );
    const { ok, text } = await ask(http(headers));
    expect({ ok, text }).toEqual({
      ok: false,
      text: `GET http://127.0.0.1:${headers}/: the headers of the answer are too large`,
    });
  });

  test('HTTP-PROBE-2: informational answers without end are refused, a few are not', async () => {
    const early = 'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n';
    const flood = await listen(
      createServer((socket) => {
        const write = (): void => {
          while (!socket.destroyed && socket.write(early.repeat(100)));
        };
        socket.on('drain', write);
        write();
      }),
    );
    expect((await ask({ ...http(flood), timeout: 30_000 })).text).toBe(
      `GET http://127.0.0.1:${flood}/: informational answers (1xx) without end`,
    );
    const polite = await listen(
      createServer((socket) => void socket.end(`${early.repeat(3)}HTTP/1.1 204 No Content\r\n\r\n`)),
    );
    expect(await ask(http(polite))).toMatchObject({ ok: true });
  });

  test('an answer that switches to another protocol is an answer', async () => {
    const switching = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n';
    const port = await listen(createServer((socket) => void socket.write(switching)));
    expect((await ask(http(port))).text).toBe(`GET http://127.0.0.1:${port}/: 101, expected 200 to 399`);
    expect(await ask(http(port, { expectedStatus: 101 }))).toMatchObject({ ok: true });
  });

  test('what is not HTTP, and a connection that ends early, say so', async () => {
    const banner = await listen(createServer((socket) => void socket.end('SSH-2.0-OpenSSH\r\n\r\n')));
    expect((await ask(http(banner))).text).toBe(`GET http://127.0.0.1:${banner}/: the answer is not HTTP`);
    const rude = await listen(createServer((socket) => void socket.once('data', () => socket.destroy())));
    expect((await ask(http(rude))).text).toBe(`GET http://127.0.0.1:${rude}/: connection reset`);
  });

  test('headers are sent, Host among them', async () => {
    const seen: Record<string, unknown>[] = [];
    const port = await server((request, response) => {
      seen.push(request.headers);
      response.end();
    });
    const headers = [
      { name: 'Host', value: 'shop.example' },
      { name: 'X-Probe', value: 'yes' },
    ];
    await ask(http(port, { headers }));
    expect(seen).toEqual([
      { host: 'shop.example', 'x-probe': 'yes', 'user-agent': 'vmgroup-probe', connection: 'close' },
    ]);
  });
});

describe('HTTPS', () => {
  const server = (): Promise<number> =>
    listen(
      createHttpsServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, (_, response) =>
        response.end(),
      ),
    );
  const https = (port: number, tls?: HttpGetProbe['tls']): Probe =>
    http(port, { scheme: 'HTTPS', ...(tls && { tls }) });

  test('a certificate is verified, unless the probe says otherwise', async () => {
    const port = await server();
    expect(await ask(https(port))).toEqual({
      ok: false,
      text: `GET https://127.0.0.1:${port}/: its certificate is signed by an authority that is not trusted`,
    });
    expect(await ask(https(port, { caFile }))).toMatchObject({ ok: true });
    expect(await ask(https(port, { insecureSkipVerify: true }))).toMatchObject({ ok: true });
    expect(await ask(https(port, { caFile, serverName: 'other.example' }))).toEqual({
      ok: false,
      text: `GET https://127.0.0.1:${port}/: its certificate is for another name`,
    });
  });

  test.each([
    ['that does not exist', '/no/such/file', 'cannot be read (ENOENT)'],
    ['that never ends', '/dev/zero', 'is not a file'],
    ['that is a pipe', path.join(dir, 'pipe'), 'is not a file'],
    ['that is too large', path.join(dir, 'large'), 'is larger than 1048576 bytes'],
  ])('a caFile %s is an answer, and nothing hangs', async (_, file, why) => {
    if (file.endsWith('pipe')) execFileSync('mkfifo', [file]);
    if (file.endsWith('large')) writeFileSync(file, Buffer.alloc(1024 * 1024 + 1));
    const port = await server();
    expect(await ask(https(port, { caFile: file }))).toEqual({
      ok: false,
      text: `GET https://127.0.0.1:${port}/: caFile ${file} ${why}`,
    });
  });
});

test('PROBER-1: a guest that is silent, and one that dribbles, are late', async () => {
  const silent = await listen(createServer());
  expect(await ask({ ...http(silent), timeout: 200 })).toEqual({
    ok: false,
    text: `GET http://127.0.0.1:${silent}/: no answer within 0.2 s`,
  });
  const dribbling = await listen(
    createServer((socket) => {
      const timer = setInterval(() => socket.write('H'), 20);
      socket.on('close', () => clearInterval(timer));
    }),
  );
  expect((await ask({ ...http(dribbling), timeout: 200 })).ok).toBe(false);
});

test('PROBER-1: no more tries at a time than there are slots; the others wait their turn and are not late', async () => {
  let open = 0;
  let most = 0;
  const port = await listen(
    createHttpServer((_, response) => {
      open += 1;
      most = Math.max(most, open);
      setTimeout(() => {
        open -= 1;
        response.end();
      }, 100);
    }),
  );
  const prober = new Prober(2);
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => prober.try({ ...http(port), timeout: 350 }, { address: '' }, never)),
  );
  expect(answers.map(({ ok }) => ok)).toEqual(Array(8).fill(true));
  expect(most).toBe(2);
});

describe('until probed', () => {
  const wait = (signal = never) => {
    const answers: string[] = [];
    return {
      answers,
      options: {
        prober: new Prober(),
        address: () => '127.0.0.1' as string | undefined,
        onAnswer: (text: string) => void answers.push(text),
        signal,
      },
    };
  };

  test('it continues until the port opens, and counts successes in a row', async () => {
    const port = await freePort();
    const { answers, options } = wait();
    const probed = untilProbed(tcp(port, { successThreshold: 2 }), options);
    await until(() => answers.length >= 2);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    closers.push(() => server.close());
    expect(await probed).toEqual({ ok: true, text: `tcp 127.0.0.1:${port}: connected` });
    expect(answers.filter((text) => text.endsWith('connected'))).toHaveLength(2);
    expect(answers[0]).toBe(`tcp 127.0.0.1:${port}: connection refused`);
  });

  test('it gives up after that many failures in a row; a guest without an address has not failed', async () => {
    const port = await freePort();
    const { answers, options } = wait();
    const guest: { address?: string } = {};
    const probed = untilProbed(tcp(port, { failureThreshold: 2 }), {
      ...options,
      address: () => guest.address,
    });
    await until(() => answers.length >= 3);
    expect(new Set(answers)).toEqual(new Set(["the platform does not report the guest's address"]));
    guest.address = '127.0.0.1';
    expect(await probed).toEqual({ ok: false, text: `tcp 127.0.0.1:${port}: connection refused` });
    expect(answers.filter((text) => text.endsWith('refused'))).toHaveLength(2);
  });

  test('it ends with its signal', async () => {
    const { answers, options } = wait();
    const stop = new AbortController();
    const probed = untilProbed(tcp(await freePort()), { ...options, signal: stop.signal });
    await until(() => answers.length >= 1);
    stop.abort(new Error('enough'));
    await expect(probed).rejects.toThrow();
    const asked = answers.length;
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(answers).toHaveLength(asked);
  });
});

describe('what a guest reports about itself', () => {
  const told = async (
    probe: Pick<Probe, 'guestHeartbeat' | 'guestInfo'>,
    report: GuestReport | undefined,
  ): Promise<string> => {
    const { ok, text } = await new Prober().try(
      { ...probe, period: 100, timeout: 500, successThreshold: 1 },
      { address: '', report: async () => report },
      never,
    );
    return `${ok ? 'ok' : 'not yet'}, ${text}`;
  };
  const info = new Map<string, string>();
  const green = { guestHeartbeat: { thresholdStatus: 'green' as const } };
  const yellow = { guestHeartbeat: { thresholdStatus: 'yellow' as const } };

  test.each([
    [green, 'green', 'ok, guest heartbeat: green'],
    [green, 'yellow', 'not yet, guest heartbeat: yellow, expected green'],
    [yellow, 'yellow', 'ok, guest heartbeat: yellow'],
    [yellow, 'red', 'not yet, guest heartbeat: red, expected yellow'],
    [yellow, 'gray', 'not yet, guest heartbeat: gray, expected yellow'],
  ] as const)('heartbeat %j: %s', async (probe, heartbeat, expected) => {
    expect(await told(probe, { heartbeat, info })).toBe(expected);
  });

  test.each([
    [[{ key: 'up' }], {}, 'not yet, guest info up: not set'],
    [[{ key: 'up' }], { up: '' }, 'ok, guest info: as expected'],
    [[{ key: 'up', value: 'tru' }], { up: 'true' }, 'ok, guest info: as expected'],
    [[{ key: 'up', value: '^tru$' }], { up: 'true' }, 'not yet, guest info up: does not match'],
    [[{ key: 'up', value: '(' }], { up: 'no' }, 'ok, guest info: as expected'],
    [
      [{ key: 'up' }, { key: 'role', value: 'db' }],
      { up: '1', role: 'web' },
      'not yet, guest info role: does not match',
    ],
    [
      [{ key: 'up', value: '(a+)+$' }],
      { up: `${'a'.repeat(10_000)}!` },
      'not yet, guest info up: does not match',
    ],
    [
      [{ key: 'up', value: 'a' }],
      { up: 'a'.repeat(20_000) },
      'not yet, guest info up: longer than 16384 characters, which are not matched',
    ],
    [[{ key: 'up', value: 'a[ab]{2000}c' }], { up: 'ab' }, 'ok, guest info: as expected'],
    [
      [{ key: 'up', value: '(?:a[ab]{900}c|b[ab]{900}d)|e' }],
      { up: 'ab' },
      'not yet, guest info up: its expression is too large to be matched',
    ],
  ])('info %j of %j', async (guestInfo, values, expected) => {
    expect(await told({ guestInfo }, { info: new Map(Object.entries(values)) })).toBe(expected);
  });

  test('a heartbeat that is not known, a VM that is not there, a platform that does not know', async () => {
    expect(await told(green, { info })).toBe('not yet, guest heartbeat: not reported');
    expect(await told(green, undefined)).toBe('not yet, guest heartbeat: the platform does not have the VM');
    const probe = { guestInfo: [{ key: 'up' }], period: 100, timeout: 500, successThreshold: 1 };
    expect(await new Prober().try(probe, { address: '' }, never)).toEqual({
      ok: false,
      text: 'guest info: the platform does not report it',
    });
  });
});
