/**
 * Runs whose payloads are encrypted, on a Temporal server that is reached with client certificates.
 *
 * Guarantees: G11.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createServer, type Server } from 'node:tls';
import { promisify } from 'node:util';
import type { TLSConfig } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { findTemporalCli } from '../../cli/temporal-server';
import { decodePayloadsIn, payloadCodec, startCodecServer } from '../../encryption';
import { connectClient, replayHistories, temporalTarget, type TemporalClient } from '../../worker';
import { buildWhenStale, vmgroup } from '../cli/vmgroup';
import { createAuthority } from '../support/certificates';
import { groupWithVms } from '../support/manifests';
import { startSystem, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { workflowBundle } from '../support/workflow-bundle';

jest.setTimeout(120_000);

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-encrypted-'));
const keys = path.join(dir, 'keys');
const inDir = (name: string): string => path.join(dir, name);
const before = { ...process.env };
let [temporal, system, proxy, reached]: [TestTemporal?, System?, Server?, TemporalClient?] = [];

beforeAll(async () => {
  buildWhenStale();
  mkdirSync(keys);
  addKey('first');
  temporal = await startTemporal();
  const authority = createAuthority(dir);
  authority.issue(inDir('server.crt'), inDir('server.key'));
  authority.issueClient('vmgroup', 3_600, inDir('client.crt'), inDir('client.key'));
  proxy = await startTlsProxy(temporal.address);
  Object.assign(process.env, {
    TEMPORAL_ADDRESS: `127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: inDir('ca.crt'),
    TEMPORAL_TLS_CLIENT_CERT_PATH: inDir('client.crt'),
    TEMPORAL_TLS_CLIENT_KEY_PATH: inDir('client.key'),
    VMGROUP_ENCRYPTION_KEYS: keys,
  });
});
afterAll(async () => {
  await system?.stop();
  await reached?.close();
  await temporal?.stop();
  proxy?.close();
  process.env = before;
  rmSync(dir, { recursive: true, force: true });
});

function addKey(id: string): void {
  writeFileSync(path.join(keys, `${id}.key`), randomBytes(32).toString('base64'));
  writeFileSync(path.join(keys, 'active'), id);
}

/** Ends TLS for a server that has none, and lets in only clients with a certificate of the authority. */
async function startTlsProxy(address: string): Promise<Server> {
  const port = Number(address.split(':')[1]);
  const server = createServer(
    {
      cert: readFileSync(inDir('server.crt')),
      key: readFileSync(inDir('server.key')),
      ca: readFileSync(inDir('ca.crt')),
      requestCert: true,
      ALPNProtocols: ['h2'],
    },
    (from) => {
      const to = connect(port, '127.0.0.1');
      from.pipe(to).pipe(from);
      for (const socket of [from, to])
        socket.on('error', () => undefined).on('close', () => void (from.destroy(), to.destroy()));
    },
  );
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** A history as the server stores it, and everything in it that is base64 as text too. */
async function stored(namespace: string, name: string): Promise<string> {
  const json = historyToJSON(await (system as System).handle(namespace, name).fetchHistory());
  const decoded = [...json.matchAll(/"data": "([A-Za-z0-9+/=]+)"/g)].map(([, data]) =>
    Buffer.from(data ?? '', 'base64').toString('latin1'),
  );
  return [json, ...decoded].join('\n');
}

test('a run over mTLS, in the history of which nothing of the VMs can be read without the key', async () => {
  const target = temporalTarget();
  reached = await connectClient(target);
  system = await startSystem(
    temporal as TestTemporal,
    {
      'app.yaml': groupWithVms({
        namespace: 'secret',
        name: 'app',
        powerState: 'PoweredOn',
        tiers: [{ members: ['db-vm'], delay: '1s' }, { members: ['web-vm'] }],
      }),
    },
    { faults: [{ type: 'TransientError', vm: 'secret/db-vm', times: 1 }] },
    { reach: { target, client: reached.client } },
  );
  expect((await system.outcome('secret', 'app')).outcome).toBe('Converged');
  // Ids of activities and types of failures are how Temporal sorts and searches: it cannot do without.
  const text = (await stored('secret', 'app')).replaceAll(/"(activityId|type)": "[^"]*"/g, '');
  const found = ['YmluYXJ5L2VuY3J5cHRlZA==', 'db-vm', 'web-vm', 'ransient'].filter((word) =>
    text.includes(word),
  );
  expect(found).toEqual(['YmluYXJ5L2VuY3J5cHRlZA==']);

  const history = await system.handle('secret', 'app').fetchHistory();
  const readable = await decodePayloadsIn(history, payloadCodec(keys));
  const [result] = await replayHistories(
    [{ name: 'app', workflowId: 'vmgroup/secret/app', history: readable }],
    await workflowBundle(),
  );
  expect(result).toEqual({ name: 'app' });
});

test('a client without a certificate does not get in', async () => {
  const { address, connectionOptions } = temporalTarget();
  const { clientCertPair, ...anonymous } = connectionOptions.tls as TLSConfig;
  expect(clientCertPair).toBeDefined();
  await expect(
    connectClient({ address, namespace: 'default', connectionOptions: { address, tls: anonymous } }, 3_000),
  ).rejects.toThrow('no Temporal server answers');
});

test("Temporal's command line reads the run through the codec server, and a new key takes over", async () => {
  addKey('second');
  const running = system as System;
  running.write(
    'app.yaml',
    groupWithVms({
      namespace: 'secret',
      name: 'app',
      powerState: 'PoweredOff',
      tiers: [{ members: ['db-vm'] }, { members: ['web-vm'] }],
    }),
  );
  const firstEnd = running.view('secret', 'app')?.run?.outcome?.endedAt ?? 0;
  expect((await running.outcome('secret', 'app', firstEnd)).outcome).toBe('Converged');
  const server = await startCodecServer({ codec: payloadCodec(keys), port: 0, origins: [] });
  try {
    const { path: cli } = await findTemporalCli({ onProgress: () => undefined });
    const { stdout } = await promisify(execFile)(
      cli,
      [
        ...['workflow', 'show', '-w', 'vmgroup/secret/app', '-o', 'json'],
        ...['--address', (temporal as TestTemporal).address, '--codec-endpoint', `http://${server.address}`],
      ],
      { env: { PATH: process.env['PATH'], HOME: dir }, maxBuffer: 64 * 2 ** 20 },
    );
    expect(stdout).toContain('db-vm');
    const exported = await vmgroup(['export', 'secret/app', '--temporal', temporal?.address ?? '']);
    const { record } = JSON.parse(exported.stdout) as { record: { detail?: string }[] };
    expect(JSON.stringify(record)).toContain('db-vm');
  } finally {
    await server.close();
  }
});
