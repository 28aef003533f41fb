/** The recorder on encrypted histories, one of which it has no key for. */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Client } from '@temporalio/client';
import type { Payload, PayloadCodec } from '@temporalio/common';
import { temporal } from '@temporalio/proto';
import { decodePayloadsIn, payloadCodec } from '../../encryption';
import { Recorder, temporalHistories } from '../../record/recorder';
import { openFileStore, type RecordStore } from '../../record/store';
import { allOf } from './record-fixtures';

const { EventType, WorkflowExecutionStatus } = temporal.api.enums.v1;
const SECOND = 1_795_460_463;

let folder: string;
let store: RecordStore;
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'vmgroup-undecoded-'));
  store = await openFileStore(path.join(folder, 'record'));
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A codec of a new key in a folder of its own. */
function newCodec(id: string): PayloadCodec {
  const keys = mkdtempSync(path.join(folder, 'keys-'));
  writeFileSync(path.join(keys, `${id}.key`), randomBytes(32).toString('base64'));
  return payloadCodec(keys);
}

/** A run of one execution. `listed`: how visibility lists it; it lags. */
interface FakeRun {
  listed: 'Open' | 'Closed' | 'Nowhere';
  isOpen: boolean;
  payload: Payload;
}

function historyOf(runId: string, { isOpen, payload }: FakeRun): temporal.api.history.v1.IHistory {
  const ended = {
    eventId: 3,
    eventTime: { seconds: SECOND + 2 },
    eventType: EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED,
    workflowExecutionTerminatedEventAttributes: { identity: 'anna' },
  };
  return temporal.api.history.v1.History.fromObject({
    events: [
      {
        eventId: 1,
        eventTime: { seconds: SECOND },
        eventType: EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
        workflowExecutionStartedEventAttributes: {
          workflowType: { name: 'virtualMachineGroup' },
          firstExecutionRunId: runId,
        },
      },
      {
        eventId: 2,
        eventTime: { seconds: SECOND + 1 },
        eventType: EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
        workflowExecutionSignaledEventAttributes: {
          signalName: 'note',
          identity: 'anna',
          input: { payloads: [payload] },
        },
      },
      ...(isOpen ? [] : [ended]),
    ],
  });
}

/** The calls of a client that the recorder makes, on runs by their ids, the oldest first. */
function clientOf(runs: Map<string, FakeRun>): Client {
  async function* list({ query }: { query: string }): AsyncGenerator<object> {
    const wanted = query.includes("!= 'Running'") ? 'Closed' : 'Open';
    for (const [index, [runId, { listed }]] of [...runs].entries())
      if (listed === wanted)
        yield {
          workflowId: `vmgroup/prod/${runId}`,
          runId,
          startTime: new Date(0),
          ...(listed === 'Closed' && { closeTime: new Date(index) }),
        };
  }
  const found = (runId: string): FakeRun => runs.get(runId) as FakeRun;
  const client = {
    options: { namespace: 'default' },
    withDeadline: (_deadline: number, call: () => unknown) => call(),
    workflow: {
      list,
      getHandle: (_workflowId: string, runId: string) => ({
        fetchHistory: async () => historyOf(runId, found(runId)),
      }),
    },
    workflowService: {
      describeWorkflowExecution: async ({ execution }: { execution: { runId: string } }) => ({
        workflowExecutionInfo: {
          status: found(execution.runId).isOpen
            ? WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING
            : WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED,
        },
      }),
    },
  };
  return client as unknown as Client;
}

test('RECORDER-5: a history that cannot be decoded holds up no other, and is recorded once its key is there', async () => {
  const lost = newCodec('lost');
  const plain: Payload = { metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from('1') };
  const [secret = plain] = await lost.encode([plain]);
  const runs = new Map<string, FakeRun>([
    ['seen', { listed: 'Open', isOpen: true, payload: plain }],
    ['seen-too', { listed: 'Open', isOpen: true, payload: plain }],
  ]);
  const warned: object[] = [];
  let codec = newCodec('known');
  const recorder = new Recorder({
    store,
    temporal: temporalHistories(clientOf(runs), (history) => decodePayloadsIn(history, codec)),
    logger: { info: () => undefined, warn: (details, message) => warned.push({ ...details, message }) },
  });
  const recorded = async (): Promise<string[]> =>
    (await allOf(store, { kinds: ['ExecutionRecorded'] })).flatMap(({ event }) =>
      'run' in event ? [event.run.group] : [],
    );
  await recorder.pass();
  const complete = await store.completeAt();

  runs.set('seen', { listed: 'Nowhere', isOpen: false, payload: secret });
  runs.set('seen-too', { listed: 'Nowhere', isOpen: false, payload: plain });
  runs.set('closed', { listed: 'Closed', isOpen: false, payload: secret });
  runs.set('closed-too', { listed: 'Closed', isOpen: false, payload: plain });
  runs.set('open', { listed: 'Open', isOpen: true, payload: secret });
  runs.set('open-too', { listed: 'Open', isOpen: true, payload: plain });
  for (let passes = 0; passes < 2; passes += 1)
    await expect(recorder.pass()).rejects.toThrow(
      'the history of vmgroup/prod/closed/closed cannot be decoded',
    );
  expect(await recorded()).toEqual(['closed-too', 'seen-too']);
  expect(await store.execution('open')).toBeUndefined();
  expect(await store.execution('open-too')).toMatchObject({ state: 'Seen' });
  expect(warned).toContainEqual(
    expect.objectContaining({ runId: 'open', message: 'failed to decode a history' }),
  );
  expect(await store.completeAt()).toBe(complete);

  codec = lost;
  expect(await recorder.pass()).toEqual({ recorded: 2, gaps: 0, more: false });
  expect((await recorded()).slice(2)).toEqual(['closed', 'seen']);
  expect(await store.execution('open')).toMatchObject({ state: 'Seen' });
  expect(await allOf(store, { kinds: ['RunGap', 'RecorderGap'] })).toEqual([]);
});
