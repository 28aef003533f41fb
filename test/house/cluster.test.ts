/** The cluster that other tests run on does what they rely on. */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';
import { parse } from 'yaml';
import { until } from '../support/until';
import { startCluster, type TestCluster } from '../support/kubernetes';

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await startCluster();
});
afterAll(() => cluster.stop());

/** The status and the first line that a watch answers. */
async function watch(where: string): Promise<string> {
  const { clusters, users } = parse(readFileSync(cluster.kubeconfig(), 'utf8')) as {
    clusters: { cluster: { 'certificate-authority-data': string } }[];
    users: { user: { token: string } }[];
  };
  return new Promise((resolve, reject) => {
    const asked = request(
      `${cluster.server}${where}`,
      {
        ca: Buffer.from(clusters[0]?.cluster['certificate-authority-data'] ?? '', 'base64'),
        headers: { authorization: `Bearer ${users[0]?.user.token}` },
      },
      (answer) =>
        answer.once('data', (chunk: Buffer) => {
          resolve(chunk.toString().split('\n')[0] ?? '');
          asked.destroy();
        }),
    );
    asked.once('error', reject);
    asked.end();
  });
}

it('takes objects from kubectl', async () => {
  const input = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept, namespace: default}\ndata: {a: b}\n';
  const applied = await cluster.kubectl(['apply', '--server-side', '-f', '-'], { input });
  expect(applied).toEqual({ stdout: 'configmap/kept serverside-applied\n', stderr: '', code: 0 });
});

it('gives users no rights but those that RBAC gives them', async () => {
  const get = ['get', 'configmaps', '-n', 'default', '-o', 'name'];
  for (const user of ['nobody', 'alice', 'system:serviceaccount:vmgroup-system:vmgroup-bridge'] as const) {
    const refused = await cluster.kubectl(get, { user });
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`User "${user}" cannot list resource "configmaps"`);
  }
  await cluster.kubectl([
    'create',
    'role',
    'reader',
    '-n',
    'default',
    '--verb=list',
    '--resource=configmaps',
  ]);
  await cluster.kubectl(['create', 'rolebinding', 'alice', '-n', 'default', '--role=reader', '--user=alice']);
  const allowed = await cluster.kubectl(get, { user: 'alice' });
  expect(allowed.stdout).toContain('configmap/kept');
});

it('is the same cluster after a kill', async () => {
  await cluster.killApiServer();
  const away = await cluster.kubectl(['get', 'configmaps', '-n', 'default']);
  expect(away.stderr).toContain('refused');
  await cluster.restartApiServer();
  const back = await cluster.kubectl([
    'get',
    'configmap',
    'kept',
    '-n',
    'default',
    '-o',
    'jsonpath={.data.a}',
  ]);
  expect(back.stdout).toBe('b');
});

it('answers 410 to a watch from before a compaction', async () => {
  const label = (value: string) =>
    cluster.kubectl([
      ...['label', 'configmap', 'kept', '-n', 'default', '--overwrite', `changed=${value}`],
      ...['-o', 'jsonpath={.metadata.resourceVersion}'],
    ]);
  let from = '';
  // The API server's cache fills a moment after it is ready, and knows only what happened since.
  await until(async () => {
    const { stdout: before } = await label('once');
    await label('twice');
    from = `/api/v1/namespaces/default/configmaps?watch=1&resourceVersion=${before}`;
    return (await watch(from)).includes('"type":"MODIFIED"');
  });
  await cluster.compact();
  const refused = { type: 'ERROR', object: { code: 410, reason: 'Expired' } };
  expect(JSON.parse(await watch(from))).toMatchObject(refused);
});

it('deletes what has lost its owner, once the garbage collector is started', async () => {
  const input = `apiVersion: v1
kind: ConfigMap
metadata:
  name: orphan
  namespace: default
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: missing, uid: 8d4c5a0e-0000-4000-8000-000000000000}]
`;
  const exists = async () =>
    (await cluster.kubectl(['get', 'configmap', 'orphan', '-n', 'default'])).code === 0;
  await cluster.kubectl(['apply', '--server-side', '-f', '-'], { input });
  expect(await exists()).toBe(true);
  await cluster.startGarbageCollector();
  await until(async () => !(await exists()));
});
