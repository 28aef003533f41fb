/**
 * A worker that starts has the server offer the next task of each open run to any worker: it does not wait first for one that was killed.
 *
 * Guarantees: G1.
 */
import { Client, Connection } from '@temporalio/client';
import { temporal as proto } from '@temporalio/proto';
import pino from 'pino';
import { offerRunsToAnyWorker } from '../../worker/cached-runs';
import { groupWithVms } from '../support/manifests';
import { startSystem, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';

const NORMAL = proto.api.enums.v1.TaskQueueKind.TASK_QUEUE_KIND_NORMAL;
const STICKY = proto.api.enums.v1.TaskQueueKind.TASK_QUEUE_KIND_STICKY;
const logger = pino({ level: 'silent' });

let temporal: TestTemporal;
let system: System;
beforeAll(async () => {
  temporal = await startTemporal();
  const tiers = [{ members: ['first'], delay: '1h' }, { members: ['second'] }];
  system = await startSystem(temporal, {
    'app.yaml': groupWithVms({ namespace: 'shop', name: 'app', powerState: 'PoweredOn', tiers }),
  });
});
afterAll(async () => {
  await system.stop();
  await temporal.stop();
});

/** To whom each workflow task of the run was offered. */
async function offers(): Promise<(number | null | undefined)[]> {
  const { events } = await system.handle('shop', 'app').fetchHistory();
  return (events ?? []).flatMap(({ workflowTaskScheduledEventAttributes: scheduled }) =>
    scheduled ? [scheduled.taskQueue?.kind] : [],
  );
}

test('the task after a worker has started is offered to any worker, and the next one to the one that took it', async () => {
  await system.until(() => system.view('shop', 'app')?.run, 'a run');
  await until(async () => {
    const { events } = await system.handle('shop', 'app').fetchHistory();
    return events?.some(({ timerStartedEventAttributes: timer }) => Boolean(timer));
  });
  await system.say('shop', 'app', 'pause');
  expect((await offers()).at(-1)).toBe(STICKY);

  await offerRunsToAnyWorker(temporal.client, 'default', 'another task queue', logger);
  await system.say('shop', 'app', 'resume');
  expect((await offers()).at(-1)).toBe(STICKY);

  await offerRunsToAnyWorker(temporal.client, 'default', system.taskQueue, logger);
  await system.say('shop', 'app', 'pause');
  expect((await offers()).at(-1)).toBe(NORMAL);

  await system.say('shop', 'app', 'resume');
  expect((await offers()).at(-1)).toBe(STICKY);
});

test('a server that cannot be asked is no failure: the tasks wait for their last worker first', async () => {
  const connection = await Connection.connect({ address: temporal.address });
  await connection.close();
  const client = new Client({ connection });
  await expect(offerRunsToAnyWorker(client, 'default', system.taskQueue, logger)).resolves.toBeUndefined();
});
