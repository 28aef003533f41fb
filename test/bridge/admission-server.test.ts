/** The webhook's server by itself: WEBHOOK-1 and WEBHOOK-2 of `bridge/admission-server.ts`. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request as httpsRequest } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect as connectTls } from 'node:tls';
import type { Manifests } from '../../api';
import { startAdmissionServer, type AdmissionServer } from '../../bridge';
import { createAuthority, type Authority } from '../support/certificates';
import { until } from '../support/until';

const NOTHING: Manifests = {
  groups: [],
  virtualMachines: [],
  classes: [],
  policies: [],
  inventories: [],
  platforms: [],
};

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-admission-'));
const certificateFile = path.join(dir, 'tls.crt');
const keyFile = path.join(dir, 'tls.key');
const reviews: string[] = [];
const errors: string[] = [];
let known: (namespace: string) => Manifests = () => NOTHING;
let authority: Authority;
let server: AdmissionServer;
beforeAll(async () => {
  authority = createAuthority(dir);
  authority.issue(certificateFile, keyFile);
  server = await startAdmissionServer({
    port: 0,
    certificateFile,
    keyFile,
    known: (namespace) => known(namespace),
    onReview: ({ path, kind, outcome, milliseconds }) => {
      expect(milliseconds).toBeGreaterThanOrEqual(0);
      reviews.push(`${path} ${kind} ${outcome}`);
    },
    onError: (error, doing) => errors.push(`${doing}: ${String(error)}`),
  });
});
afterAll(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => {
  reviews.length = 0;
  errors.length = 0;
});

interface Reply {
  status: number;
  body: unknown;
}

function post(
  where: string,
  body: string | Buffer,
  options: { method?: string; agent?: Agent } = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const asked = httpsRequest(
      `https://${server.address}${where}`,
      { method: 'POST', ca: authority.certificate, agent: false, ...options },
      (answer) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, body: JSON.parse(text) as unknown }),
        );
        answer.on('error', reject);
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

function review(request: Record<string, unknown>): string {
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
}

const group = {
  apiVersion: 'vmoperator.vmware.com/v1alpha6',
  kind: 'VirtualMachineGroup',
  metadata: { name: 'a', namespace: 'n' },
  spec: { groupName: 'a' },
};
const asked = { uid: 'u', operation: 'CREATE', namespace: 'n', kind: { kind: group.kind }, object: group };

test('answers with the uid of the request, and tells what became of it', async () => {
  expect(await post('/validate?timeout=10s', review(asked))).toEqual({
    status: 200,
    body: {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: {
        uid: 'u',
        allowed: false,
        warnings: [],
        status: {
          code: 422,
          reason: 'Invalid',
          message: 'spec.groupName: invalid value "a": a group cannot have itself as a member or group name',
        },
      },
    },
  });
  expect(await post('/mutate', review(asked))).toMatchObject({
    body: { response: { uid: 'u', allowed: true } },
  });
  expect(reviews).toEqual(['/validate VirtualMachineGroup Denied', '/mutate VirtualMachineGroup Allowed']);
});

describe('WEBHOOK-1: what is none of an API server', () => {
  const rows: [title: string, where: string, body: string | Buffer, status: number, message: string][] = [
    ['no JSON', '/validate', '{', 400, 'the body is not JSON'],
    ['nothing', '/mutate', '', 400, 'the body is not JSON'],
    ['bytes', '/validate', Buffer.from([0, 255, 254, 13, 10]), 400, 'the body is not JSON'],
    [
      'null',
      '/validate',
      'null',
      400,
      'the body is not an AdmissionReview of admission.k8s.io/v1 with a request',
    ],
    ['no request', '/validate', '{"kind":"AdmissionReview"}', 400, 'the body is not an AdmissionReview'],
    [
      'another version',
      '/validate',
      review(asked).replace('/v1"', '/v1beta1"'),
      400,
      'the body is not an AdmissionReview',
    ],
    ['another path', '/metrics', '', 404, 'paths: /validate /mutate'],
    ['too much', '/validate', Buffer.alloc(9 * 2 ** 20, 'a'), 413, 'the body has more than 8388608 bytes'],
  ];
  test.each(rows)('%s', async (_, where, body, status, message) => {
    const reply = await post(where, body).catch((error: Error & { code?: string }) => error.code);
    // The rest of a body that is too large is not waited for.
    if (status === 413 && typeof reply === 'string') expect(reply).toMatch(/EPIPE|ECONNRESET/);
    else expect(reply).toEqual({ status, body: { message: expect.stringContaining(message) as string } });
    expect(reviews).toEqual([expect.stringMatching(/ {2}Refused$/)]);
    expect(errors).toEqual([]);
  });

  test('another method', async () => {
    expect(await post('/validate', '', { method: 'GET' })).toMatchObject({ status: 405 });
  });

  test('objects that are anything at all', async () => {
    for (const object of [
      null,
      7,
      'text',
      [],
      [[]],
      { kind: 'VirtualMachine' },
      { metadata: [] },
      { spec: null },
    ]) {
      for (const where of ['/validate', '/mutate'])
        expect(await post(where, review({ ...asked, object, oldObject: object }))).toMatchObject({
          status: 200,
        });
    }
  });

  test('what does not speak TLS, and who breaks off', async () => {
    const [, port] = server.address.split(':');
    for (const words of ['GET / HTTP/1.1\r\n\r\n', '\x16\x03\x01']) {
      await new Promise<void>((closed) => {
        const socket = connectPlain(Number(port), '127.0.0.1', () => socket.write(words, () => socket.end()));
        socket.on('error', () => undefined).on('close', () => closed());
        socket.resume();
      });
    }
    expect(await post('/mutate', review(asked))).toMatchObject({ status: 200 });
  });
});

test('WEBHOOK-1: a client that stops sending is not waited for', async () => {
  const [host, port] = server.address.split(':');
  const head = 'POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{';
  const answered = await new Promise<string>((closed, reject) => {
    let text = '';
    const socket = connectTls({ host, port: Number(port), ca: authority.certificate }, () =>
      socket.write(head),
    );
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.on('error', reject).on('close', () => closed(text));
  });
  expect(answered).toMatch(/^(HTTP\/1.1 408 |$)/);
  await until(() => reviews.length === 1);
  expect({ reviews, errors }).toEqual({ reviews: ['/validate  Refused'], errors: [] });
});

test('WEBHOOK-1: while nothing is known the answer is an error, and failurePolicy decides', async () => {
  known = () => {
    throw new Error('the first list is still under way');
  };
  expect(await post('/validate', review(asked))).toEqual({
    status: 500,
    body: { message: 'the first list is still under way' },
  });
  known = () => NOTHING;
  expect(reviews).toEqual(['/validate VirtualMachineGroup Failed']);
  expect(errors).toEqual(['answering an API server at /validate: Error: the first list is still under way']);
});

test('WEBHOOK-2: a new certificate is taken, and open connections stay open', async () => {
  const serial = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const [host, port] = server.address.split(':');
      const socket = connectTls({ host, port: Number(port), ca: authority.certificate }, () => {
        resolve(socket.getPeerCertificate().serialNumber);
        socket.end();
      });
      socket.on('error', reject);
    });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  await post('/mutate', review(asked), { agent });
  const [socket] = Object.values(agent.freeSockets).flat();
  const first = await serial();

  authority.issue(certificateFile, keyFile);
  await until(async () => (await serial()) !== first);
  await post('/mutate', review(asked), { agent });
  expect(Object.values(agent.freeSockets).flat()).toEqual([socket]);
  expect(socket?.destroyed).toBe(false);
  agent.destroy();

  // Half of a new pair, and then nothing of use at all.
  const second = await serial();
  const key = readFileSync(keyFile, 'utf8');
  authority.issue(path.join(dir, 'other.crt'), keyFile);
  await until(() => errors.some((error) => error.includes('tls.key; the old ones stay in use')));
  expect(await serial()).toBe(second);
  writeFileSync(certificateFile, 'none');
  expect(await serial()).toBe(second);
  writeFileSync(keyFile, key);
});

test('files without a certificate are an error at the start', async () => {
  const missing = path.join(dir, 'missing.crt');
  await expect(
    startAdmissionServer({ port: 0, certificateFile: missing, keyFile, known: () => NOTHING }),
  ).rejects.toThrow(/missing.crt/);
  const none = path.join(dir, 'none.crt');
  writeFileSync(none, 'none');
  await expect(
    startAdmissionServer({ port: 0, certificateFile: none, keyFile, known: () => NOTHING }),
  ).rejects.toThrow(/none.crt and .*tls.key do not hold a certificate and its key: .*; name the PEM files/);
});
