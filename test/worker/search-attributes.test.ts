import { msToTs } from '@temporalio/common/lib/time';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { dataFolder } from '../../cli/data-folder';
import { findTemporalCli } from '../../cli/temporal-server';
import { startTemporalServer, type TemporalServer } from '../../cli/temporal-server/temporal-server';
import {
  checkSearchAttributes,
  connectClient,
  registerSearchAttributes,
  SearchAttributeError,
  type TemporalClient,
  type TemporalTarget,
} from '../../worker';
import { SEARCH_ATTRIBUTE_TYPES } from '../../contract';
import { until } from '../support/until';

const dir = mkdtempSync(path.join(os.tmpdir(), 'vmgroup-attributes-'));
let server: TemporalServer;
let target: TemporalTarget;
let temporal: TemporalClient;

beforeAll(async () => {
  server = await startTemporalServer({
    cli: (await findTemporalCli()).path,
    folder: dataFolder(dir),
    ports: { port: 0, uiPort: 0 },
    // One of ours is there with a type that is not ours.
    searchAttributes: { VmGroupPhase: 'Int' },
    signal: new AbortController().signal,
    onSpawn: () => undefined,
    onRestart: () => undefined,
    onLost: () => undefined,
  });
  const { address } = server;
  target = { address, namespace: 'default', connectionOptions: { address } };
  temporal = await connectClient(target);
  await until(
    () => temporal.client.workflowService.describeNamespace({ namespace: 'default' }).catch(() => undefined),
    'the namespace default',
  );
}, 180_000);
afterAll(async () => {
  await temporal.close();
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('missing ones are added; one of a wrong type is an error with the commands that fix it', async () => {
  const { client } = temporal;
  const wrongType = [{ name: 'VmGroupPhase', wanted: 'Keyword', found: 'Int' }];
  const missing = Object.keys(SEARCH_ATTRIBUTE_TYPES).filter((name) => name !== 'VmGroupPhase');
  expect(await checkSearchAttributes(client, 'default')).toEqual({ missing, wrongType });
  await expect(registerSearchAttributes(client, target)).rejects.toThrow(
    /VmGroupPhase is Int, not Keyword\. .*search-attribute remove --address 127.0.0.1:\d+ --namespace default --name VmGroupPhase && .*create .*--name VmGroupPhase --type Keyword$/,
  );
  expect(await checkSearchAttributes(client, 'default')).toEqual({ missing: [], wrongType });
  await client.connection.operatorService.removeSearchAttributes({
    namespace: 'default',
    searchAttributes: ['VmGroupPhase'],
  });
  await registerSearchAttributes(client, target);
  expect(await checkSearchAttributes(client, 'default')).toEqual({ missing: [], wrongType: [] });
  await registerSearchAttributes(client, target);
});

test('one that the server refuses to add is an error with its words, which no further attempt changes', async () => {
  const { client } = temporal;
  const namespace = 'full';
  await client.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: msToTs('1 day'),
  });
  const names = Array.from({ length: 10 }, (_, index) => `Other${index}`);
  await until(
    () =>
      client.connection.operatorService
        .addSearchAttributes({
          namespace,
          searchAttributes: Object.fromEntries(names.map((name) => [name, 2])),
        })
        .catch(() => undefined),
    'the attributes of others',
  );
  const registering = registerSearchAttributes(client, { ...target, namespace });
  await expect(registering).rejects.toBeInstanceOf(SearchAttributeError);
  await expect(registering).rejects.toThrow(
    /VmGroupPhase is missing.*Temporal refuses to add them: .*cannot have more than 10 search attribute.*An administrator of Temporal runs: /,
  );
});

test('a server that does not answer is named', async () => {
  const address = '127.0.0.1:1';
  await expect(
    connectClient({ address, namespace: 'default', connectionOptions: { address } }, 500),
  ).rejects.toThrow('no Temporal server answers at 127.0.0.1:1');
});
