/**
 * What counts as an object that does not exist: only what the API server says of that object.
 *
 * Guarantees: G8.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connectKubernetes, RESOURCES, type ApiServer } from '../../kubernetes';

const { kubevirtMachines, virtualMachines } = RESOURCES;
const vm = { namespace: 'prod', name: 'db' };
const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-absent-'));
let server: Server;
let api: ApiServer;
/** What is answered with 404, by path. */
let answers: (path: string) => string | object;

beforeAll(async () => {
  server = createServer((request, response) => {
    const answer = answers(request.url ?? '');
    const isStatus = typeof answer === 'object' && 'reason' in answer;
    response.writeHead(isStatus || typeof answer === 'string' ? 404 : 200);
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const kubeconfig = path.join(dir, 'config.json');
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const named = { cluster: 'c', user: 'u' };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'x',
    clusters: [{ name: 'c', cluster: { server: address, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'u', user: { token: 't' } }],
    contexts: [{ name: 'x', context: named }],
  };
  writeFileSync(kubeconfig, JSON.stringify(config));
  api = connectKubernetes({ kubeconfig });
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

test('the server has the resource, and no such object', async () => {
  answers = () => ({ kind: 'Status', code: 404, reason: 'NotFound', message: 'not found' });
  expect(await api.get(virtualMachines, vm)).toBeUndefined();
});

test.each([
  ['the server does not serve the resource', '404 page not found\n'],
  ['something else answers, such as a load balancer', '<html>404 Not Found</html>'],
])('%s: nothing is known of the object', async (_what, page) => {
  answers = () => page;
  await expect(api.get(kubevirtMachines, vm)).rejects.toMatchObject({ code: 404 });
  await expect(api.get(virtualMachines, vm)).rejects.toMatchObject({ code: 404 });
});

test('the server serves the resource in versions that are not known here: nothing is known of the object', async () => {
  answers = (asked) => {
    if (asked === '/apis/vmoperator.vmware.com') return { versions: [{ version: 'v9' }] };
    return '404 page not found';
  };
  await expect(api.get(virtualMachines, vm)).rejects.toMatchObject({ reason: 'NotServed' });
});
