/** Calls share connections. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connectKubernetes, RESOURCES } from '../../kubernetes';
import { startCluster, type TestCluster } from '../support/kubernetes';

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-connections-'));
const opened = new Set<Socket>();
let cluster: TestCluster;
let between: Server;
beforeAll(async () => {
  cluster = await startCluster();
  between = createServer((socket) => {
    const { hostname, port } = new URL(cluster.server);
    const onwards = connect(Number(port), hostname);
    for (const each of [socket, onwards]) each.on('error', () => undefined);
    socket.pipe(onwards).pipe(socket);
    opened.add(socket);
  });
  await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  for (const socket of opened) socket.destroy();
  between.close();
  await cluster.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('about as many as calls are open at once, not as many as there are calls', async () => {
  const { port } = between.address() as AddressInfo;
  const kubeconfig = path.join(dir, 'config.yaml');
  const text = readFileSync(cluster.kubeconfig(), 'utf8');
  writeFileSync(kubeconfig, text.replace(cluster.server, `https://127.0.0.1:${port}`));
  const api = connectKubernetes({ kubeconfig });
  for (let round = 0; round < 10; round += 1) {
    await Promise.all([1, 2, 3].map(() => api.list(RESOURCES.leases, { namespace: 'default' })));
  }
  // One that is just being given back is not taken again.
  expect(opened.size).toBeLessThan(10);
  // Connections that have died meanwhile are no hindrance.
  for (const socket of opened) socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  await api.list(RESOURCES.leases, { namespace: 'default' });
});
