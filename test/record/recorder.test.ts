/** The recorder against a real Temporal server: every end of a run, killed recorders, and two of them. Guarantees: G1, G5, G6, G7. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findTemporalCli } from '../../cli/temporal-server';
import { deriveEvents, type RunEvent } from '../../record';
import { verifierOf, signerOf } from '../../record/chain';
import { Recorder, temporalHistories, type PassReport } from '../../record/recorder';
import {
  openFileReader,
  openFileStore,
  openPostgresStore,
  type RecordReader,
  type RecordStore,
} from '../../record/store';
import { bundledProgram } from '../support/bundled-program';
import { groupWithVms } from '../support/manifests';
import { startPostgres, type TestPostgres } from '../support/postgres';
import { startSystem, type System } from '../support/system';
import { startTemporal, type TestTemporal } from '../support/temporal';
import { until } from '../support/until';
import { allOf, expectWhole, keys } from './record-fixtures';

const { privateKey, publicKey } = keys();
let temporal: TestTemporal;
let postgres: TestPostgres;
let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-recorder-'));
  [temporal, postgres] = await Promise.all([startTemporal(), startPostgres()]);
});
afterAll(async () => {
  await Promise.all([temporal.stop(), postgres.stop()]);
  rmSync(dir, { recursive: true, force: true });
});

const logger = { info: () => undefined, warn: () => undefined };

function recorderOn(store: RecordStore, now = Date.now): Recorder {
  return new Recorder({ store, temporal: temporalHistories(temporal.client), logger, now });
}

/** Passes until the events of a group on record are as wanted: visibility lags. */
async function recordUntil(
  recorder: Recorder,
  store: RecordReader,
  group: string,
  isDone: (events: RunEvent[]) => boolean,
): Promise<RunEvent[]> {
  return until(
    async () => {
      await recorder.pass();
      const events = await eventsOf(store, group);
      return isDone(events) && events;
    },
    `the record of ${group}`,
    { every: 200 },
  );
}

async function eventsOf(store: RecordReader, group: string): Promise<RunEvent[]> {
  const entries = await allOf(store, { workflowId: `vmgroup/test/${group}` });
  return entries.flatMap(({ event }) => ('run' in event ? [event] : []));
}

const kinds = (events: RunEvent[]): string[] => events.map(({ kind }) => kind);
const has =
  (kind: string, count = 1) =>
  (events: RunEvent[]): boolean =>
    events.filter((each) => each.kind === kind).length >= count;

/** Compares the record of each execution with what its history says (RECORD-3). */
async function expectSame(store: RecordReader, events: RunEvent[]): Promise<void> {
  for (const { execution, run } of events.filter(({ kind }) => kind === 'ExecutionRecorded')) {
    const history = JSON.parse((await store.history(execution)) ?? '') as unknown;
    const fromHistory = events.filter(
      (each) => each.execution === execution && each.source.from === 'History',
    );
    const { events: derived } = deriveEvents(history, { workflowId: run.workflowId, runId: execution });
    // A reset execution repeats events that are on record already.
    expect(fromHistory).toEqual(derived.slice(derived.length - fromHistory.length));
  }
}

describe('runs of groups', () => {
  let system: System;
  const app = (name: string): string =>
    groupWithVms({
      namespace: 'test',
      name,
      powerState: 'PoweredOn',
      tiers: [{ members: [`${name}-1`], delay: '60s' }, { members: [`${name}-2`] }],
    });
  beforeAll(async () => {
    system = await startSystem(
      temporal,
      Object.fromEntries(['run', 'stopped', 'again', 'lost'].map((name) => [`${name}.yaml`, app(name)])),
    );
    await Promise.all(
      ['run', 'stopped', 'again', 'lost'].map((name) =>
        system.until(
          () => system.view('test', name)?.run?.progress?.tiers[1]?.phase === 'Delay',
          `the delay of ${name}`,
        ),
      ),
    );
  });
  afterAll(() => system.stop());

  test('RECORDER-1, RECORDER-3: a run, one that was terminated, one that was reset, and one that was deleted meanwhile', async () => {
    const store = await openFileStore(path.join(dir, 'ends'), { signer: signerOf(privateKey) });
    const recorder = recorderOn(store);
    await recordUntil(recorder, store, 'lost', has('ExecutionSeen'));
    await system.say('test', 'run', 'skipDelay');
    await system.outcome('test', 'run');
    await system.handle('test', 'stopped').terminate('wrong button');
    const { path: cli } = await findTemporalCli();
    const run = (...args: string[]): void =>
      void execFileSync(cli, [...args, '--address', temporal.address], { encoding: 'utf8', stdio: 'pipe' });
    run('workflow', 'reset', '-w', 'vmgroup/test/again', '-t', 'FirstWorkflowTask', '--reason', 'once more');
    run('workflow', 'delete', '-w', 'vmgroup/test/lost', '--yes');
    await system.until(
      () => system.view('test', 'again')?.run?.progress?.tiers[1]?.phase === 'Delay',
      'the delay after the reset',
    );
    await system.say('test', 'again', 'abort');

    const done = await recordUntil(recorder, store, 'run', has('ExecutionRecorded'));
    expect(
      kinds(done).filter((kind) => ['CommandReceived', 'RunCompleted', 'RunGap'].includes(kind)),
    ).toEqual(['CommandReceived', 'RunCompleted']);
    const stopped = await recordUntil(recorder, store, 'stopped', has('ExecutionRecorded'));
    expect(stopped.find(({ kind }) => kind === 'RunTerminated')).toMatchObject({
      reason: 'wrong button',
      actor: { known: false },
    });
    const again = await recordUntil(recorder, store, 'again', has('ExecutionRecorded', 2));
    expect(again.find(({ kind }) => kind === 'ExecutionReset')).toMatchObject({
      reason: expect.stringContaining('once more') as unknown,
    });
    expect(new Set(again.map((each) => each.run.runId)).size).toBe(1);
    expect(kinds(again).filter((kind) => kind === 'PlanReceived')).toHaveLength(1);
    const lost = await recordUntil(recorder, store, 'lost', has('RunGap'));
    // The bridge has begun another run since.
    const [{ execution: deleted } = { execution: '' }] = lost;
    expect(kinds(lost.filter(({ execution }) => execution === deleted))).toEqual(['ExecutionSeen', 'RunGap']);
    for (const events of [done, stopped, again, lost]) await expectSame(store, events);
    await expectWhole(await allOf(store), verifierOf(publicKey));
    const before = await store.head();
    await recorder.pass();
    expect(await store.head()).toEqual(before);
    await store.close();
  });
});

/** Starts executions that no worker takes, and ends them: three events each. */
async function endedRuns(count: number, name: string): Promise<void> {
  const one = async (index: number): Promise<void> => {
    const workflowId = `vmgroup/test/${name}-${index}`;
    const handle = await temporal.client.workflow.start('virtualMachineGroup', {
      workflowId,
      taskQueue: 'nobody',
      args: [{ namespace: 'test', name: `${name}-${index}` }],
    });
    await handle.terminate('over');
  };
  for (let at = 0; at < count; at += 20)
    await Promise.all(Array.from({ length: Math.min(20, count - at) }, (_, index) => one(at + index)));
}

/** Kills a recorder again and again, each time at another moment of its work. Resolves once one has nothing left to do. */
async function killRepeatedly(program: string, where: string, times: number): Promise<void> {
  for (let kills = 0; ;) {
    const isLast = kills === times;
    const child = spawn(process.execPath, [program, temporal.address, where], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const exited = new Promise((resolve) => child.once('exit', resolve));
    await until(
      () => output.includes(isLast ? 'idle' : 'ready') || child.exitCode !== null,
      'a recorder at work',
      { seconds: 200, every: 5, slowest: 20 },
    );
    // A machine under load may refuse its connection: such a child counts for nothing.
    if (child.exitCode !== null) continue;
    if (!isLast) await sleep((kills * 37) % 200);
    child.kill('SIGKILL');
    await exited;
    if (isLast) return;
    kills += 1;
  }
}

test('RECORDER-2: after 100 kills of recorders on files and PostgreSQL every event is on record once', async () => {
  await endedRuns(300, 'killed');
  const folder = path.join(dir, 'killed');
  const url = await postgres.database('killed');
  // One process at a time appends to a folder, and any number to a database.
  const program = bundledProgram(path.join(__dirname, 'recorder-child.ts'));
  await Promise.all([folder, url, url, url].map((where) => killRepeatedly(program, where, 25)));
  const stores = [await openFileReader(folder), await openPostgresStore(url)];
  for (const store of stores) {
    const entries = await allOf(store);
    await expectWhole(entries);
    const mine = entries.flatMap(({ event }) =>
      'run' in event && event.run.group.startsWith('killed-') ? [event] : [],
    );
    expect(mine).toHaveLength(900);
    const counts = new Map<string, string[]>();
    for (const { execution, kind } of mine) counts.set(execution, [...(counts.get(execution) ?? []), kind]);
    expect(counts.size).toBe(300);
    for (const each of counts.values())
      expect(each).toEqual(['ExecutionStarted', 'RunTerminated', 'ExecutionRecorded']);
    await store.close();
  }
}, 900_000);

test('RECORDER-2: two recorders at once', async () => {
  await endedRuns(40, 'shared');
  const url = await postgres.database('shared');
  const stores = await Promise.all([openPostgresStore(url), openPostgresStore(url)]);
  const reports: PassReport[] = [];
  await until(async () => {
    reports.push(...(await Promise.all(stores.map((store) => recorderOn(store).pass()))));
    const store = stores[0];
    return (
      (await allOf(store, { kinds: ['ExecutionRecorded'] })).filter(
        ({ event }) => 'run' in event && event.run.group.startsWith('shared-'),
      ).length >= 40
    );
  }, 'all runs on record');
  const entries = await allOf(stores[0]);
  await expectWhole(entries);
  expect(entries.filter(({ event }) => event.kind === 'ExecutionRecorded')).toHaveLength(
    reports.reduce((sum, { recorded }) => sum + recorded, 0),
  );
  for (const store of stores) await store.close();
});

test('RECORDER-3: a recorder that was away for longer than the retention says so, once', async () => {
  const store = await openFileStore(path.join(dir, 'away'));
  await recorderOn(store).pass();
  const later = (): number => Date.now() + 400 * 86_400_000;
  await recorderOn(store, later).pass();
  await recorderOn(store, later).pass();
  const gaps = await allOf(store, { kinds: ['RecorderGap'] });
  expect(gaps).toHaveLength(1);
  await store.close();
});
