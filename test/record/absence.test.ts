/** A recorder that was away, one whose passes fail, and runs that are paused in Temporal, against a server that the test makes up. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { RecorderGap } from '../../record';
import { Recorder, type TemporalHistories } from '../../record/recorder';
import { openFileStore, type RecordStore } from '../../record/store';
import { event, history } from './histories';
import { allOf } from './record-fixtures';

const DAY = 86_400_000;
const RETENTION = 3 * DAY;
const START = Date.UTC(2026, 10, 1);
const logger = { info: () => undefined, warn: () => undefined };

let folder: string;
let store: RecordStore;
let now: number;
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'vmgroup-absence-'));
  store = await openFileStore(folder);
  now = START;
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

interface FakeExecution {
  runId: string;
  status: string;
  closedAt?: number;
  /** Absent: the server does not have it any more. */
  history?: object;
  /** Its history does not arrive in time. */
  isSlow?: true;
}

/** A server that can be away. */
class FakeTemporal implements TemporalHistories {
  isAway = false;
  executions: FakeExecution[] = [];
  retentionCalls = 0;

  open(): ReturnType<TemporalHistories['open']> {
    if (this.isAway) throw new Error('visibility is away');
    return this.#listed(({ status }) => status === 'RUNNING' || status === 'PAUSED');
  }

  /** As the query on a real server: those that are not running, a paused one too unless a time is given. */
  closedSince(at: number | undefined): ReturnType<TemporalHistories['closedSince']> {
    return this.#listed(
      ({ status, closedAt }) =>
        status !== 'RUNNING' && (at === undefined || (closedAt !== undefined && closedAt >= at)),
    );
  }

  async describe({ runId }: { runId: string }): ReturnType<TemporalHistories['describe']> {
    const found = this.#find(runId);
    return found?.history && { status: found.status, options: new Map() };
  }

  async history({ runId }: { runId: string }): Promise<string | undefined> {
    const found = this.#find(runId);
    if (found?.isSlow) throw new Error(`${runId}: deadline exceeded`);
    return JSON.stringify(found?.history);
  }

  async retention(): Promise<number> {
    this.retentionCalls += 1;
    return RETENTION;
  }

  #find(runId: string): FakeExecution | undefined {
    return this.executions.find((each) => each.runId === runId);
  }

  async *#listed(isWanted: (execution: FakeExecution) => boolean): ReturnType<TemporalHistories['open']> {
    for (const { runId, closedAt } of this.executions.filter(isWanted))
      yield {
        workflowId: 'vmgroup/prod/app',
        runId,
        startedAt: START,
        ...(closedAt !== undefined && { closedAt }),
      };
  }
}

const recorderOf = (temporal: TemporalHistories): Recorder =>
  new Recorder({ store, temporal, logger, now: () => now });

/** From when until when runs may be missing, for each gap on record. */
async function gaps(): Promise<[number, number][]> {
  const entries = await allOf(store, { kinds: ['RecorderGap'] });
  return entries.map(({ event }) => {
    const { since, until } = event as RecorderGap;
    return [Date.parse(since), Date.parse(until)];
  });
}

test('RECORDER-3: passes that fail after an absence note nothing, the first complete one notes it once', async () => {
  const temporal = new FakeTemporal();
  await store.setCompleteAt(START - 5 * DAY);
  const recorder = recorderOf(temporal);
  temporal.isAway = true;
  for (let passes = 0; passes < 3; passes += 1) {
    await expect(recorder.pass()).rejects.toThrow('visibility is away');
    now += 15_000;
  }
  expect(await gaps()).toEqual([]);
  expect(await store.completeAt()).toBe(START - 5 * DAY);
  temporal.isAway = false;
  expect(await recorder.pass()).toMatchObject({ gaps: 1, more: false });
  expect(await store.completeAt()).toBe(now);
  now += 5_000;
  await recorder.pass();
  await recorderOf(temporal).pass();
  expect(await gaps()).toEqual([[START - 5 * DAY, START + 45_000 - RETENTION]]);
});

test('RECORDER-3: passes that leave a rest note nothing, the one that takes the rest notes the absence once', async () => {
  const temporal = new FakeTemporal();
  temporal.executions = [{ runId: 'lost', status: 'COMPLETED', closedAt: START }];
  await store.setCompleteAt(START - 5 * DAY);
  const recorder = recorderOf(temporal);
  for (let passes = 0; passes < 3; passes += 1) {
    expect(await recorder.pass(AbortSignal.abort())).toEqual({ recorded: 0, gaps: 0, more: true });
    now += 15_000;
  }
  expect(await gaps()).toEqual([]);
  expect(await recorder.pass()).toEqual({ recorded: 0, gaps: 2, more: false });
  expect(await gaps()).toEqual([[START - 5 * DAY, START + 45_000 - RETENTION]]);
});

test('RECORDER-3: a living recorder whose passes failed for longer than the retention notes it', async () => {
  const temporal = new FakeTemporal();
  const recorder = recorderOf(temporal);
  await recorder.pass();
  now += 5_000;
  await recorder.pass();
  const last = now;
  temporal.isAway = true;
  now += 10 * DAY;
  await expect(recorder.pass()).rejects.toThrow('visibility is away');
  temporal.isAway = false;
  now += 15_000;
  expect(await recorder.pass()).toMatchObject({ gaps: 1 });
  expect(await gaps()).toEqual([[last, now - RETENTION]]);
});

test('RECORDER-3: an absence within the retention is no gap, and passes in a row do not ask for the retention', async () => {
  const temporal = new FakeTemporal();
  const recorder = recorderOf(temporal);
  for (let passes = 0; passes < 3; passes += 1) {
    expect(await recorder.pass()).toMatchObject({ gaps: 0 });
    now += 5_000;
  }
  expect(temporal.retentionCalls).toBe(0);
  now = ((await store.completeAt()) ?? 0) + RETENTION;
  expect(await recorder.pass()).toMatchObject({ gaps: 0 });
  expect(temporal.retentionCalls).toBe(1);
  expect(await gaps()).toEqual([]);
});

test('RECORDER-1: a run that is paused in Temporal is open, and is recorded once it has ended', async () => {
  const kinds = async (): Promise<string[]> =>
    (await allOf(store)).map(({ event: recorded }) => recorded.kind);
  const temporal = new FakeTemporal();
  const run: FakeExecution = { runId: 'run-1', status: 'RUNNING', history: history() };
  temporal.executions = [run];
  await recorderOf(temporal).pass();
  expect(await kinds()).toEqual(['ExecutionSeen']);
  const paused = event('WORKFLOW_EXECUTION_PAUSED', { identity: 'anna', reason: 'look' });
  Object.assign(run, { status: 'PAUSED', history: history(paused) });
  // A recorder that starts looks at everything that Temporal lists.
  expect(await recorderOf(temporal).pass()).toEqual({ recorded: 0, gaps: 0, more: false });
  expect(await kinds()).toEqual(['ExecutionSeen']);
  const terminated = event('WORKFLOW_EXECUTION_TERMINATED', { identity: 'anna', reason: 'over' });
  Object.assign(run, { status: 'TERMINATED', closedAt: now, history: history(paused, terminated) });
  expect(await recorderOf(temporal).pass()).toMatchObject({ recorded: 1 });
  expect((await kinds()).slice(1)).toEqual(expect.arrayContaining(['RunTerminated', 'ExecutionRecorded']));
  expect((await allOf(store)).at(-1)?.event).toMatchObject({ status: 'TERMINATED' });
});

/** The executions whose end is on record, or is known to be lost. */
async function ended(kind: 'ExecutionRecorded' | 'RunGap'): Promise<string[]> {
  const entries = await allOf(store, { kinds: [kind] });
  return entries.flatMap(({ event: recorded }) => ('run' in recorded ? [recorded.execution] : []));
}

const closed = (runId: string, closedAt: number, ...events: Parameters<typeof history>): FakeExecution => ({
  runId,
  status: 'COMPLETED',
  closedAt,
  history: history(...events, event('WORKFLOW_EXECUTION_COMPLETED', {})),
});

test('RECORDER-5: executions whose histories do not arrive hold up no other one', async () => {
  const temporal = new FakeTemporal();
  const lost: FakeExecution = { runId: 'lost', status: 'RUNNING', history: history() };
  temporal.executions = [lost];
  const recorder = recorderOf(temporal);
  await recorder.pass();
  delete lost.history;
  lost.status = 'COMPLETED';
  temporal.executions.push(
    { ...closed('slow-1', START), isSlow: true },
    { ...closed('slow-2', START + 1), isSlow: true },
    { runId: 'slow-3', status: 'RUNNING', history: history(), isSlow: true },
    closed('quick', START + 2),
  );
  for (let passes = 0; passes < 4; passes += 1) {
    await expect(recorder.pass()).rejects.toThrow('deadline exceeded');
    now += 15_000;
  }
  expect(await ended('ExecutionRecorded')).toEqual(['quick']);
  expect(await ended('RunGap')).toEqual(['lost']);
  for (const execution of temporal.executions) delete execution.isSlow;
  await recorder.pass();
  expect(await ended('ExecutionRecorded')).toEqual(['quick', 'slow-1', 'slow-2']);
});

test('RECORDER-6: after the clock was set back, what ended meanwhile is recorded', async () => {
  const temporal = new FakeTemporal();
  const recorder = recorderOf(temporal);
  now = START + DAY;
  await recorder.pass();
  now = START + 60_000;
  temporal.executions = [closed('short', START + 30_000)];
  await recorder.pass();
  expect(await ended('ExecutionRecorded')).toEqual(['short']);
});

test('RECORD-8: of a recorder that was killed after it had kept a history, the next one needs no history from Temporal', async () => {
  const temporal = new FakeTemporal();
  const run = closed('run-1', START);
  await store.keepHistory('run-1', JSON.stringify(run.history));
  temporal.executions = [{ ...run, isSlow: true }];
  await recorderOf(temporal).pass();
  expect(await ended('ExecutionRecorded')).toEqual(['run-1']);
});

test('RECORDER-3: an execution that continues a run and is gone before it was seen leaves a gap', async () => {
  const temporal = new FakeTemporal();
  const next = event('WORKFLOW_EXECUTION_CONTINUED_AS_NEW', { newExecutionRunId: 'run-2' });
  temporal.executions = [
    { runId: 'run-1', status: 'CONTINUED_AS_NEW', closedAt: START, history: history(next) },
  ];
  const recorder = recorderOf(temporal);
  for (let passes = 0; passes < 2; passes += 1) await recorder.pass();
  expect(await ended('RunGap')).toEqual(['run-2']);
  const gap = (await allOf(store, { kinds: ['RunGap'] }))[0]?.event;
  expect(gap).toMatchObject({ run: { runId: 'run-1', group: 'app' } });
});

test('RECORDER-2: a run of two executions is on record once, whichever was listed', async () => {
  const temporal = new FakeTemporal();
  const next = event('WORKFLOW_EXECUTION_CONTINUED_AS_NEW', { newExecutionRunId: 'run-2' });
  const second = closed('run-2', START + 1);
  Object.assign((second.history as ReturnType<typeof history>).events[0]?.['theEventAttributes'] as object, {
    continuedExecutionRunId: 'run-1',
  });
  // Visibility lists the first one late.
  temporal.executions = [{ runId: 'run-1', status: 'CONTINUED_AS_NEW', history: history(next) }, second];
  const recorder = recorderOf(temporal);
  expect(await recorder.pass()).toMatchObject({ recorded: 1, gaps: 0 });
  await recorder.pass();
  expect(await ended('ExecutionRecorded')).toEqual(['run-1', 'run-2']);
  expect(await store.seen()).toEqual([]);
});
