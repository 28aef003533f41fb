/** Options of an activity that a person changes in Temporal leave no event in the history: the record has them from what the server shows. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { msToTs } from '@temporalio/common/lib/time';
import { Recorder, temporalHistories } from '../../record/recorder';
import { openFileStore, type RecordStore } from '../../record/store';
import { groupWithVms } from '../support/manifests';
import { startSystem, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { allOf } from './record-fixtures';

jest.setTimeout(120_000);

const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-options-'));
let temporal: TestTemporal;
let system: System;
let store: RecordStore;
beforeAll(async () => {
  temporal = await startTemporal();
  const tiers = [{ members: ['slow'] }];
  const group = groupWithVms({ namespace: 'test', name: 'app', powerState: 'PoweredOn', tiers });
  system = await startSystem(temporal, { 'app.yaml': group }, { faults: [{ type: 'Stuck', vm: 'slow' }] });
  store = await openFileStore(path.join(dir, 'record'));
});
afterAll(async () => {
  await store.close();
  await system.stop();
  await temporal.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('what was changed in the UI is on record, once, with what it is now', async () => {
  const logger = { info: () => undefined, warn: () => undefined };
  const recorder = new Recorder({ store, temporal: temporalHistories(temporal.client), logger });
  await system.until(async () => {
    await recorder.pass();
    const members = system.view('test', 'app')?.run?.progress?.members ?? [];
    return members.some(({ phase }) => phase === 'InProgress');
  }, 'the operation to be open');
  await recorder.pass();

  // The call of the UI's form "Update Options".
  await temporal.client.workflowService.updateActivityOptions({
    namespace: 'default',
    execution: { workflowId: 'vmgroup/test/app' },
    id: 'power-on/slow',
    activityOptions: { heartbeatTimeout: msToTs('42s') },
    updateMask: { paths: ['heartbeat_timeout'] },
  });

  await system.until(async () => {
    await recorder.pass();
    const entries = await allOf(store);
    return entries.some(({ event }) => event.kind === 'ActivityOptionsChanged');
  }, 'the change to be on record');
  await recorder.pass();
  const changes = (await allOf(store)).flatMap(({ event }) =>
    event.kind === 'ActivityOptionsChanged' ? [event] : [],
  );
  expect(changes).toMatchObject([
    { activityId: 'power-on/slow', source: { from: 'Server' }, options: { heartbeatTimeout: 42_000 } },
  ]);
});
