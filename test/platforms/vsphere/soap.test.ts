/** The SOAP client on a simulated vCenter: sessions, faults, trust, time-outs. */
import { createServer, type Server } from 'node:https';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { X509Certificate } from 'node:crypto';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import {
  child,
  childrenOf,
  element,
  managedObject,
  reference,
  SoapClient,
  Transport,
  TransportError,
  VimFault,
  type SoapOptions,
} from '../../../platforms/vsphere/soap';
import { readProperties } from '../../../platforms/vsphere/stream';
import { createAuthority, type Authority } from '../../support/certificates';
import { startTcpProxy } from '../../support/tcp-proxy';
import { until } from '../../support/until';
import { startVcenter, type TestVcenter } from '../../support/vsphere';

let vcenter: TestVcenter;
beforeAll(async () => {
  vcenter = await startVcenter({ machines: 2 });
});
afterAll(() => vcenter.stop());
beforeEach(() => vcenter.faults([]));

async function withClient<T>(
  run: (client: SoapClient) => Promise<T>,
  over: Partial<SoapOptions> = {},
): Promise<T> {
  const { address, user, password, authority } = vcenter;
  const client = new SoapClient({
    address,
    credentials: async () => ({ user, password }),
    trust: { ca: authority.certificate },
    ...over,
  });
  try {
    return await run(client);
  } finally {
    await client.close();
  }
}

async function counted(method: string): Promise<number> {
  return (await vcenter.calls()).counts[method] ?? 0;
}

const currentTime = { type: 'ServiceInstance', id: 'ServiceInstance' };

test('says what the server is without logging in', async () => {
  const before = await counted('Login');
  await withClient(async (client) => {
    const { apiType, managers } = await client.content();
    expect(apiType).toBe('VirtualCenter');
    expect(managers.get('viewManager')).toEqual({ type: 'ViewManager', id: 'ViewManager' });
  });
  expect(await counted('Login')).toBe(before);
});

test('logs in once for all calls, and logs out at the end', async () => {
  const [logins, logouts] = [await counted('Login'), await counted('Logout')];
  await withClient(async (client) => {
    await Promise.all([1, 2, 3, 4].map(() => client.call(currentTime, 'CurrentTime')));
  });
  expect([await counted('Login'), await counted('Logout')]).toEqual([logins + 1, logouts + 1]);
});

test('a session that the server has ended is replaced once, whatever the number of calls', async () => {
  await withClient(async (client) => {
    const first = await client.session();
    const logins = await counted('Login');
    await vcenter.expire();
    const times = await Promise.all([1, 2, 3, 4].map(() => client.call(currentTime, 'CurrentTime')));
    expect(times.map(([time]) => Date.parse(time?.text ?? '') > 0)).toEqual([true, true, true, true]);
    expect(await counted('Login')).toBe(logins + 1);
    // What lived in the first session is gone with it.
    const late = client.call(currentTime, 'CurrentTime', [], { session: first });
    await expect(late).rejects.toMatchObject({ fault: { type: 'NotAuthenticated' } });
  });
});

test('a server that refuses every session is asked twice, not for ever', async () => {
  await vcenter.faults([{ method: 'CurrentTime', type: 'NotAuthenticated' }]);
  await withClient(async (client) => {
    const before = await counted('CurrentTime');
    const call = client.call(currentTime, 'CurrentTime');
    await expect(call).rejects.toMatchObject({ fault: { type: 'NotAuthenticated' } });
    expect(await counted('CurrentTime')).toBe(before + 2);
  });
});

test('a wrong password is a fault of its own type, and the password is in no message', async () => {
  const wrong = 'wrong-&-<secret>';
  const failed = await withClient(
    async (client) =>
      client.session().then(
        () => undefined,
        (error: unknown) => error,
      ),
    { credentials: async () => ({ user: 'vmgroup', password: wrong }) },
  );
  expect(failed).toBeInstanceOf(VimFault);
  expect((failed as VimFault).fault.type).toBe('InvalidLogin');
  expect(String((failed as VimFault).stack)).not.toContain('secret');
});

test('SOAP-5: refused credentials are sent once, until they change', async () => {
  let password = 'wrong';
  await withClient(
    async (client) => {
      const before = await counted('Login');
      const refused = { fault: { type: 'InvalidLogin' } };
      for (let look = 0; look < 3; look += 1) await expect(client.session()).rejects.toMatchObject(refused);
      expect(await counted('Login')).toBe(before + 1);
      password = 'wrong too';
      await expect(client.session()).rejects.toMatchObject(refused);
      ({ password } = vcenter);
      await client.session();
      expect(await counted('Login')).toBe(before + 3);
    },
    { credentials: async () => ({ user: vcenter.user, password }) },
  );
});

test('VSPHERE-2: properties that are missing because the session has ended are read again in a new one', async () => {
  await withClient(async (client) => {
    const view = await client.manager('rootFolder');
    await client.session();
    await vcenter.expire(true);
    const read = await readProperties(client, [view], ['name', 'parent']);
    expect(read.get(view.id)?.get('name')?.text).toBe('Datacenters');
  });
  await vcenter.expire();
});

test('a fault has its type, the privilege that is missing, and the server’s own words', async () => {
  await vcenter.faults([{ method: 'FindByUuid', type: 'NoPermission', keys: ['msg.one'], times: 1 }]);
  await withClient(async (client) => {
    const search = await client.manager('searchIndex');
    const parameters = [element('uuid', 'x'), element('vmSearch', true)];
    const failed = await client.call(search, 'FindByUuid', parameters).then(
      () => undefined,
      (error: unknown) => error as VimFault,
    );
    expect(failed?.fault).toMatchObject({
      type: 'NoPermission',
      keys: ['msg.one'],
      message: 'text of msg.one',
    });
    expect(child(failed?.fault.detail, 'privilegeId')?.text).toBe('VirtualMachine.Interact.PowerOn');
  });
});

test('names with characters of XML reach the server as they are', async () => {
  const name = `a & <b> "c" 'd'`;
  const uuid = await vcenter.create({ name });
  await withClient(async (client) => {
    const search = await client.manager('searchIndex');
    const find = [element('uuid', uuid), element('vmSearch', true), element('instanceUuid', true)];
    const [found] = await client.call(search, 'FindByUuid', find);
    const vm = managedObject(found);
    if (!vm) throw new Error('not found');
    const [task] = await client.call(vm, 'Rename_Task', [element('newName', `${name}&`)]);
    expect(task?.attributes.get('type')).toBe('Task');
    const collector = await client.manager('propertyCollector');
    const [result] = await client.call(collector, 'RetrievePropertiesEx', [
      element('specSet', [
        element('propSet', [element('type', 'VirtualMachine'), element('pathSet', 'name')]),
        element('objectSet', [reference('obj', vm)]),
      ]),
      element('options', []),
    ]);
    const value = child(child(child(result, 'objects'), 'propSet'), 'val')?.text;
    expect(value).toBe(`${name}&`);
  });
});

test('properties are read to the last page, whatever a server sends at a time', async () => {
  const ids = new Set<string>();
  await withClient(async (client) => {
    const root = await client.manager('rootFolder');
    const view = await client.manager('viewManager');
    const [made] = await client.call(view, 'CreateContainerView', [
      ...[reference('container', root), element('type', 'VirtualMachine'), element('recursive', true)],
    ]);
    const container = managedObject(made);
    if (!container) throw new Error('no view');
    const read = await readProperties(client, [container], ['view']);
    for (const { text } of childrenOf(read.get(container.id)?.get('view'), 'ManagedObjectReference'))
      ids.add(text);
    const objects = [...ids].map((id) => ({ type: 'VirtualMachine', id }));
    await vcenter.pages(1);
    const before = await counted('ContinueRetrievePropertiesEx');
    const names = await readProperties(client, objects, ['name']).finally(() => vcenter.pages(0));
    expect(new Set(names.keys())).toEqual(ids);
    expect(ids.size).toBeGreaterThanOrEqual(2);
    expect((await counted('ContinueRetrievePropertiesEx')) - before).toBe(ids.size - 1);
  });
});

test('a server without a manager says so', async () => {
  await withClient(async (client) => {
    await expect(client.manager('imaginaryManager')).rejects.toMatchObject({
      fault: { type: 'NotSupported' },
    });
  });
});

// ---- Trust ------------------------------------------------------------------------------------------------------------------------

describe('trust', () => {
  const ask = (client: SoapClient): Promise<string> => client.content().then(({ apiType }) => apiType);

  async function certificate(): Promise<X509Certificate> {
    const { hostname, port } = new URL(vcenter.address);
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const { raw } = socket.getPeerCertificate();
    socket.destroy();
    return new X509Certificate(raw);
  }

  test('a certificate of an unknown authority is refused before anything is sent', async () => {
    const before = await counted('RetrieveServiceContent');
    const call = withClient(ask, { trust: {} });
    await expect(call).rejects.toMatchObject({ failure: 'Untrusted' });
    await expect(withClient(ask, { trust: {} })).rejects.toThrow(/is not trusted.*thumbprint/);
    expect(await counted('RetrieveServiceContent')).toBe(before);
  });

  test('a thumbprint is enough, SHA-256 or SHA-1, whatever the spelling', async () => {
    const { fingerprint256, fingerprint } = await certificate();
    for (const thumbprint of [fingerprint256, fingerprint, fingerprint256.toLowerCase().replaceAll(':', '')])
      expect(await withClient(ask, { trust: { thumbprint } })).toBe('VirtualCenter');
  });

  test('another thumbprint is refused before anything is sent, and the message names the right one', async () => {
    const before = await counted('RetrieveServiceContent');
    const { fingerprint256 } = await certificate();
    const call = withClient(ask, { trust: { thumbprint: '00'.repeat(32) } });
    await expect(call).rejects.toMatchObject({ failure: 'Untrusted' });
    await expect(withClient(ask, { trust: { thumbprint: '00'.repeat(32) } })).rejects.toThrow(fingerprint256);
    expect(await counted('RetrieveServiceContent')).toBe(before);
  });

  test.each([
    ['http://127.0.0.1/sdk', {}, /only https/],
    ['https://127.0.0.1/sdk', { thumbprint: 'abc' }, /64 or 40 hexadecimal digits/],
  ])('%s with %j is refused', (address, trust, reason) => {
    const credentials = async (): Promise<never> => Promise.reject(new Error('not asked'));
    expect(() => new SoapClient({ address, trust, credentials })).toThrow(reason);
  });
});

// ---- Answers that are none ---------------------------------------------------------------------------------------------------------

describe('a server that answers oddly', () => {
  let dir: string;
  let authority: Authority;
  let server: Server;
  let reply: { status: number; body: string; headers?: Record<string, string>; pause?: number } | 'silence';
  beforeAll(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-soap-'));
    authority = createAuthority(dir);
    const [cert, key] = [path.join(dir, 'a.crt'), path.join(dir, 'a.key')];
    authority.issue(cert, key);
    server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
      request.resume();
      if (reply === 'silence') return;
      const { status, body, headers, pause = 0 } = reply;
      setTimeout(() => response.writeHead(status, headers).end(body), pause);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const address = (): string => `https://127.0.0.1:${(server.address() as AddressInfo).port}/sdk`;
  const ask = (over: { timeout?: number; signal?: AbortSignal } = {}): Promise<unknown> =>
    withClient((client) => client.content(over), {
      address: address(),
      trust: { ca: authority.certificate },
    }).then(
      () => undefined,
      (error: unknown) => error,
    );

  test('a proxy’s 503 is no fault of vCenter, and says how long to wait', async () => {
    reply = { status: 503, body: '<html>busy</html>', headers: { 'retry-after': '7' } };
    expect(await ask()).toMatchObject({ failure: 'Unreachable', status: 503, retryAfter: 7 });
  });

  test.each([
    ['no XML', 'hello'],
    ['a document type', '<!DOCTYPE a><a/>'],
    ['another envelope', '<a/>'],
  ])('200 with %s is malformed', async (_, body) => {
    reply = { status: 200, body };
    expect(await ask()).toMatchObject({ failure: 'Malformed' });
  });

  test('an answer without end is given up at its limit', async () => {
    reply = { status: 200, body: 'x'.repeat(33 * 1024 * 1024) };
    const failed = await ask();
    expect(failed).toMatchObject({ failure: 'Malformed' });
    expect((failed as Error).message).toContain('33554432 bytes');
  });

  test('silence ends at the time-out, and when the caller gives up', async () => {
    reply = 'silence';
    expect(await ask({ timeout: 100 })).toMatchObject({ failure: 'TimedOut' });
    expect(await ask({ signal: AbortSignal.timeout(50) })).toMatchObject({ failure: 'Aborted' });
  });

  test('SOAP-2: an answer that stops in the middle ends at the time-out', async () => {
    reply = { status: 200, body: 'half', headers: { 'content-length': '8' } };
    expect(await ask({ timeout: 100 })).toMatchObject({ failure: 'TimedOut' });
  });

  test('SOAP-2, TURN-1: a slow server answers all calls; the time limit of each begins with its turn', async () => {
    reply = { status: 200, body: 'late', pause: 2_000 };
    const transport = new Transport(address(), { ca: authority.certificate });
    const answers = await Promise.all(
      Array.from({ length: 48 }, () => transport.send({ headers: {}, body: 'x', timeout: 5_000 })),
    );
    transport.close();
    expect(answers.map(({ body }) => body)).toEqual(answers.map(() => 'late'));
  });
});

// ---- No handshake -----------------------------------------------------------------------------------------------------------------

describe('SOAP-2: a server that accepts connections and never answers the TLS handshake', () => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined).resume();
    accepted += 1;
  });
  let accepted = 0;
  let transport: Transport;
  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  beforeEach(() => {
    accepted = 0;
    transport = new Transport(`https://127.0.0.1:${(server.address() as AddressInfo).port}/sdk`);
  });
  afterEach(() => transport.close());
  afterAll(() => server.close());

  const failureOf = (over: { timeout?: number; signal?: AbortSignal }): Promise<unknown> =>
    transport.send({ headers: {}, body: 'x', timeout: 60_000, ...over }).catch((error: unknown) => error);
  const noConnection = (): Promise<boolean> =>
    until(async () => (await promisify(server.getConnections.bind(server))()) === 0, 'no connection');

  test('a call ends at its time-out, and when the caller gives up, now or before', async () => {
    expect(await failureOf({ timeout: 100 })).toMatchObject({ failure: 'TimedOut' });
    const caller = new AbortController();
    const failed = failureOf({ signal: caller.signal });
    await until(() => accepted === 2, 'the second connection');
    caller.abort();
    expect(await failed).toMatchObject({ failure: 'Aborted' });
    expect(await failureOf({ signal: AbortSignal.abort() })).toMatchObject({ failure: 'Aborted' });
  });

  test('a client asks again after a time-out', async () => {
    const { host } = transport;
    const client = new SoapClient({
      address: `https://${host}/sdk`,
      timeout: 100,
      credentials: async () => ({ user: 'u', password: 'p' }),
    });
    for (let look = 0; look < 2; look += 1)
      await expect(client.session()).rejects.toMatchObject({ failure: 'TimedOut' });
    await until(() => accepted === 2, 'the second connection');
    await client.close();
    await noConnection();
  });

  test('TURN-2: many calls at once end in the time of one', async () => {
    const failed = await Promise.all(Array.from({ length: 100 }, () => failureOf({ timeout: 500 })));
    expect(failed).toMatchObject(failed.map(() => ({ failure: 'TimedOut' })));
    expect(failed.map(String).filter((error) => error.includes('waited'))).toHaveLength(84);
    expect(accepted).toBeLessThanOrEqual(16);
  });

  test('close ends calls, also those that wait for their turn, and leaves no connection', async () => {
    const failed = Promise.all(Array.from({ length: 20 }, () => failureOf({})));
    await until(() => accepted === 16, 'the connections');
    transport.close();
    expect(await failed).toMatchObject([
      ...Array.from({ length: 16 }, () => ({ failure: 'Unreachable' })),
      ...Array.from({ length: 4 }, () => ({ failure: 'Aborted' })),
    ]);
    await noConnection();
    expect(accepted).toBe(16);
  });

  test('a connection is given up after 30 s', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'Date'] });
    try {
      const failed = failureOf({});
      await jest.advanceTimersByTimeAsync(30_000);
      expect(await failed).toMatchObject({
        failure: 'Unreachable',
        message: expect.stringContaining('no TLS handshake within 30 s') as string,
      });
    } finally {
      jest.useRealTimers();
    }
    await noConnection();
  });
});

test('a connection that breaks is reported as such, and the next call makes a new one', async () => {
  const proxy = await startTcpProxy(new URL(vcenter.address).host);
  await withClient(
    async (client) => {
      await client.call(currentTime, 'CurrentTime');
      proxy.cut();
      const failed = client.call(currentTime, 'CurrentTime');
      await expect(failed).rejects.toBeInstanceOf(TransportError);
      await expect(client.call(currentTime, 'CurrentTime')).rejects.toMatchObject({ failure: 'Unreachable' });
      proxy.restore();
      expect(await client.call(currentTime, 'CurrentTime')).toHaveLength(1);
    },
    { address: `https://${proxy.address}/sdk` },
  );
  await proxy.close();
});
