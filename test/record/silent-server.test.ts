/** A Temporal server that is reached and says nothing: every call of the recorder gives up. */
import { Client, Connection } from '@temporalio/client';
import { temporalHistories } from '../../record/recorder/temporal-histories';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy';
import { startTemporal, type TestTemporal } from '../support/temporal';

let temporal: TestTemporal;
let proxy: TcpProxy;
let connection: Connection;

beforeAll(async () => {
  temporal = await startTemporal();
  proxy = await startTcpProxy(temporal.address);
  connection = await Connection.connect({ address: proxy.address });
});
afterAll(async () => {
  await connection?.close();
  await proxy?.close();
  await temporal?.stop();
});

async function count(executions: AsyncIterable<unknown>): Promise<number> {
  let found = 0;
  for await (const execution of executions) if (execution) found += 1;
  return found;
}

test('each call is given up after its time', async () => {
  const histories = temporalHistories(new Client({ connection }));
  const execution = { workflowId: 'vmgroup/shop/shop', runId: '00000000-0000-0000-0000-000000000000' };
  expect(await count(histories.open())).toBe(0);
  expect(await histories.history(execution)).toBeUndefined();
  proxy.freeze();
  const calls = await Promise.allSettled([
    count(histories.open()),
    count(histories.closedSince(undefined)),
    histories.describe(execution),
    histories.history(execution),
    histories.retention(),
  ]);
  const messages = calls.map((each) => {
    const reason = each.status === 'rejected' ? (each.reason as Error) : undefined;
    return ((reason?.cause ?? reason) as Error | undefined)?.message;
  });
  for (const message of messages) expect(message).toContain('DEADLINE_EXCEEDED');
}, 90_000);
