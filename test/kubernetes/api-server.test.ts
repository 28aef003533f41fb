/**
 * Calls to an API server that something else answers for, and by a user whose credentials come from a plugin.
 *
 * Guarantees: G8.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connectKubernetes, RESOURCES, type ApiServer } from '../../kubernetes';
import { startStubApiServer, type StubApiServer } from '../support/stub-api-server';

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-api-server-'));
const key = { namespace: 'prod', name: 'app' };
let server: StubApiServer;
/** What every call is answered with. */
let answer: { status: number; type: string; body: string };

/** The only `Authorization` that is accepted; absent: any. */
let accepted: string | undefined;

beforeAll(async () => {
  server = await startStubApiServer(({ headers }, response) => {
    if (accepted !== undefined && headers.authorization !== accepted)
      return void response.writeHead(401).end();
    response.writeHead(answer.status, { 'content-type': answer.type }).end(answer.body);
  });
});
afterAll(() => {
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

/** The server as one user. */
function connect(user: object = {}): ApiServer {
  return connectKubernetes({ kubeconfig: server.kubeconfigOf(user) });
}

/** A user whose credentials come from a script. */
function userOf(script: string): object {
  const command = path.join(dir, 'plugin.sh');
  writeFileSync(command, `#!/bin/sh\n${script}\n`);
  chmodSync(command, 0o755);
  return { exec: { apiVersion: 'client.authentication.k8s.io/v1', command, interactiveMode: 'IfAvailable' } };
}

describe('a 404', () => {
  test('of the API server says that there is no such object', async () => {
    const body = JSON.stringify({ kind: 'Status', status: 'Failure', reason: 'NotFound', code: 404 });
    answer = { status: 404, type: 'application/json', body };
    const api = connect();
    expect(await api.get(RESOURCES.virtualMachineGroups, key)).toBeUndefined();
    await api.delete(RESOURCES.virtualMachineGroups, key);
  });

  test.each(['<html>404 Not Found</html>', '404 page not found', '', '{}'])(
    'of something else, such as an ingress, says nothing about an object: %j',
    async (body) => {
      answer = { status: 404, type: 'text/html', body };
      const api = connect();
      await expect(api.get(RESOURCES.virtualMachineGroups, key)).rejects.toThrow('answered 404');
      await expect(api.delete(RESOURCES.virtualMachineGroups, key)).rejects.toMatchObject({
        isNotFound: false,
        isAbsent: true,
      });
      expect(await api.read('/version')).toBeUndefined();
    },
  );
});

describe('a page of a proxy with the code 200', () => {
  beforeEach(() => (answer = { status: 200, type: 'text/html; charset=utf-8', body: '<html>Log in</html>' }));
  const says =
    'something other than an API server answered 200 with text/html; charset=utf-8: <html>Log in</html>';

  test('is no answer to a call', async () => {
    await expect(connect().list(RESOURCES.virtualMachineGroups)).rejects.toMatchObject({
      code: 0,
      message: expect.stringContaining(says) as string,
    });
  });

  test('does not open a watch', async () => {
    let opened = false;
    const watch = connect().watch(
      RESOURCES.virtualMachineGroups,
      {},
      () => undefined,
      () => (opened = true),
    );
    await expect(watch).rejects.toThrow(says);
    expect(opened).toBe(false);
  });
});

describe('CONNECTION-2: after a 401', () => {
  beforeEach(() => (answer = { status: 200, type: 'application/json', body: '{"metadata":{"name":"app"}}' }));
  afterEach(() => (accepted = undefined));
  const token = path.join(dir, 'token');
  const write = (secret: string): void => writeFileSync(token, secret);

  test.each<[string, () => object]>([
    [
      'a plugin is asked again, whose token was revoked before its time',
      () =>
        userOf(
          `printf '{"kind":"ExecCredential","status":{"expirationTimestamp":"2999-01-01T00:00:00Z","token":"%s"}}' "$(cat ${token})"`,
        ),
    ],
    [
      'a token file is read again',
      () => ({ 'auth-provider': { name: 'file', config: { tokenFile: token } } }),
    ],
  ])('%s', async (_what, user) => {
    write('old');
    accepted = 'Bearer old';
    const api = connect(user());
    const get = (): Promise<unknown> => api.get(RESOURCES.virtualMachineGroups, key);
    expect(await get()).toBeDefined();
    write('new');
    accepted = 'Bearer new';
    await expect(get()).rejects.toMatchObject({ code: 401 });
    expect(await get()).toBeDefined();
  });

  test('a plugin is not asked at every call', async () => {
    const asked = path.join(dir, 'asked-again');
    accepted = 'Bearer good';
    const api = connect(
      userOf(`echo asked >> ${asked}; echo '{"kind":"ExecCredential","status":{"token":"bad"}}'`),
    );
    for (let call = 0; call < 5; call += 1)
      await expect(api.get(RESOURCES.virtualMachineGroups, key)).rejects.toMatchObject({ code: 401 });
    expect(readFileSync(asked, 'utf8')).toBe('asked\nasked\n');
  });
});

describe('CONNECTION-1: a plugin for credentials', () => {
  beforeEach(() => (answer = { status: 200, type: 'application/json', body: '{"metadata":{"name":"app"}}' }));

  test('that does not answer delays no call beyond its time, and is not started again meanwhile', async () => {
    const started = path.join(dir, 'started');
    const api = connect(userOf(`echo $$ >> ${started}; exec sleep 600`));
    const get = (): Promise<unknown> => api.get(RESOURCES.virtualMachineGroups, key, { timeout: 500 });
    const calls = await Promise.allSettled([get(), get()]);
    calls.push(...(await Promise.allSettled([get()])));
    const pids = existsSync(started) ? readFileSync(started, 'utf8').trim().split('\n') : [];
    for (const pid of pids) process.kill(Number(pid), 'SIGKILL');
    expect(pids).toHaveLength(1);
    for (const call of calls) {
      expect(call).toMatchObject({
        status: 'rejected',
        reason: {
          code: 0,
          message: expect.stringContaining('cannot authenticate as alice: no answer for 0.5 s') as string,
        },
      });
    }
  });

  test('that asks a question gets no answer, and its own words are the error', async () => {
    const api = connect(userOf('read answer || { echo "session expired: log in again" >&2; exit 1; }'));
    await expect(api.get(RESOURCES.virtualMachineGroups, key)).rejects.toThrow(
      'cannot authenticate as alice: session expired: log in again',
    );
  });

  test('that answers is asked once for as long as its token is good', async () => {
    const asked = path.join(dir, 'asked');
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential' };
    const token = JSON.stringify({ ...credential, status: { token: 'secret' } });
    const api = connect(userOf(`echo asked >> ${asked}; echo '${token}'`));
    for (let call = 0; call < 3; call += 1)
      expect(await api.get(RESOURCES.virtualMachineGroups, key)).toBeDefined();
    expect(readFileSync(asked, 'utf8')).toBe('asked\n');
  });
});
