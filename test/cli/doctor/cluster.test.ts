/**
 * The checks of a cluster whose API server fails in the middle: DOCTOR-1.
 *
 * Guarantees: G8.
 */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { checkCluster } from '../../../cli/doctor/cluster';

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-doctor-'));
const kubeconfig = path.join(dir, 'kubeconfig');

/** It allows nothing, has no definitions, and fails on webhooks. */
function answerTo(url: string): { status: number; body: object } {
  if (url.includes('selfsubjectaccessreviews'))
    return { status: 201, body: { metadata: { name: '' }, spec: {}, status: { allowed: false } } };
  const code = url.includes('admissionregistration') ? 500 : 404;
  const failure = { kind: 'Status', apiVersion: 'v1', status: 'Failure', message: 'etcd is gone' };
  return { status: code, body: { ...failure, code, reason: code === 404 ? 'NotFound' : 'InternalError' } };
}

let server: Server;
let address: string;
beforeAll(async () => {
  server = createServer((request, response) => {
    const { status, body } = answerTo(request.url ?? '');
    request.resume().once('end', () => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster: { server: address, 'insecure-skip-tls-verify': true } }],
      users: [{ name: 'test', user: { token: 'x' } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    }),
  );
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

test('DOCTOR-1: what was found before the API server failed is listed', async () => {
  const [first, ...found] = await checkCluster({ kubeconfig, for: 'bridge' });
  expect(first).toMatchObject({
    check: 'api server',
    result: 'problem',
    message: expect.stringContaining('etcd is gone') as string,
  });
  expect(found).toContainEqual(
    expect.objectContaining({
      check: 'rights of the bridge',
      result: 'problem',
      message: expect.stringContaining('cannot create events in events.k8s.io') as string,
    }),
  );
  expect(found).toContainEqual(expect.objectContaining({ check: 'crd virtualmachines', result: 'problem' }));
});
