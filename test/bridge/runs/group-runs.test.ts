/** Guarantees: G6. */
import type { Client } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';
import { groupRuns, type GroupRuns } from '../../../bridge/runs/group-runs';
import { isUnanswered } from '../../../bridge/runs/server-calls';
import { runEvents } from '../../../bridge/runs/run-events';
import { temporalRuns } from '../../../bridge/runs/server-runs';
import { resolveTrees } from '../../../bridge';
import type { Plan, PlanMessage } from '../../../contract';
import { FakeTemporal } from './fake-temporal';
import { group, manifests, outcome, progressOf, tier, vm } from '../fixtures';

const APP = { namespace: 'prod', name: 'app' };
const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const [plan] = resolveTrees(
  manifests({
    groups: [group('app', [tier(['a'])], { powerState: 'PoweredOn' })],
    virtualMachines: [vm('a', 'app')],
  }),
) as [Plan];
const message: PlanMessage = { plan, cause: 'SpecChanged' };

let server: FakeTemporal;
let runs: GroupRuns;
let changes: number;
let reachable: boolean[];

beforeEach(() => {
  jest.useFakeTimers();
  server = new FakeTemporal();
  changes = 0;
  reachable = [];
  runs = groupRuns({
    temporal: server,
    remembered: () => ({ phase: 'None' }),
    onChange: () => (changes += 1),
    onReachable: (now) => reachable.push(now),
  });
});

afterEach(async () => {
  const stopped = runs.stop();
  await jest.advanceTimersByTimeAsync(1_000);
  await stopped;
  jest.useRealTimers();
});

const pass = (time: number): Promise<void> => jest.advanceTimersByTimeAsync(time);
/** Begins to follow a run that is open already. */
async function found(over: Partial<FakeTemporal['runs'][number]> = {}): Promise<void> {
  server.runs = [{ runId: 'run-1', progress: progressOf(plan), ...over }];
  await runs.lookUp(APP);
  await pass(2_000);
}

describe('RUNS-2: a run that was opened later is never overwritten', () => {
  test.each(['describe', 'outcome'])('by a look at the last one whose %s answers late', async (late) => {
    server.runs = [{ runId: 'run-1', status: 'COMPLETED', outcome: outcome(plan) }];
    let answer = (): void => undefined;
    server.before = (call) => (call === late ? new Promise((over) => (answer = over)) : Promise.resolve());
    const looking = runs.lookUp(APP);
    await pass(0);
    await runs.send(message);
    answer();
    await looking;
    expect(runs.get(APP)).toMatchObject({ phase: 'Open', runId: 'run-2' });
  });

  test('by the end of the one before, which is noticed late', async () => {
    await found();
    Object.assign(server.runs[0] ?? {}, { status: 'COMPLETED', outcome: outcome(plan) });
    expect(await runs.send(message)).toBe('run-2');
    server.tell({ closed: {} }, 'run-1');
    await pass(5_000);
    expect(runs.get(APP)).toMatchObject({ phase: 'Open', runId: 'run-2' });
    server.close('COMPLETED', outcome(plan));
    await pass(5_000);
    expect(runs.get(APP)).toMatchObject({ phase: 'Closed', runId: 'run-2' });
  });

  test('nor is a group known again that was forgotten meanwhile', async () => {
    server.runs = [{ runId: 'run-1', status: 'COMPLETED', outcome: outcome(plan) }];
    let answer = (): void => undefined;
    server.before = () => new Promise((over) => (answer = over));
    const looking = runs.lookUp(APP);
    await pass(0);
    runs.forget(APP);
    server.before = async () => undefined;
    answer();
    await looking;
    expect(runs.get(APP)).toBeUndefined();
  });
});

describe('RUNS-5: whether the server answers', () => {
  test('is known also while no run is open', async () => {
    server.down = true;
    await pass(10_000);
    expect(runs.reachable()).toBe(false);
    server.down = false;
    await pass(10_000);
    expect(reachable).toEqual([false, true]);
  });

  test.each([
    ['refuses a call', 3, false],
    ['has too much to do', 8, false],
    ['is unavailable', 14, true],
    ['does not answer in time', 4, true],
  ])('a server that %s', (_what, code, unanswered) => {
    const cause = Object.assign(new Error('gRPC'), { code });
    expect([isUnanswered(cause), isUnanswered(new Error('Failed to signal', { cause }))]).toEqual([
      unanswered,
      unanswered,
    ]);
    expect(isUnanswered(new Error('connection refused'))).toBe(true);
  });
});

test('reading a run notifies no listener: the reader has the result', async () => {
  await found({ status: 'COMPLETED', outcome: outcome(plan) });
  expect(changes).toBe(0);
});

describe('a run that was ended from outside', () => {
  test('has who ended it, and why', async () => {
    await found({ ended: { by: 'anna@host', reason: 'wrong button' } });
    server.close('TERMINATED');
    await pass(5_000);
    expect(runs.get(APP)).toMatchObject({
      phase: 'Closed',
      closedAs: 'TERMINATED',
      ended: { by: 'anna@host', reason: 'wrong button' },
    });
  });

  test('is closed also if its history is gone', async () => {
    await found();
    server.close('TERMINATED');
    await pass(5_000);
    const run = runs.get(APP);
    expect(run).toMatchObject({ phase: 'Closed', closedAs: 'TERMINATED' });
    expect(run).not.toHaveProperty('ended');
  });
});

describe('clearing up after a run', () => {
  const input = { plan, runId: 'run-1', actor: 'anna', reason: 'wrong', message: 'Terminated by anna' };

  test('follows the run that does it', async () => {
    await found({ status: 'TERMINATED' });
    expect(await runs.cleanUp(input)).toBe('run-1-cleaned');
    expect(runs.get(APP)).toMatchObject({ phase: 'Open', runId: 'run-1-cleaned' });
    server.close('TERMINATED');
    await pass(5_000);
    expect(runs.get(APP)).toMatchObject({ phase: 'Closed', runId: 'run-1-cleaned', isCleanUp: true });
  });

  test('finds the run that was opened since', async () => {
    await found({ status: 'TERMINATED' });
    server.runs.push({ runId: 'run-2' });
    expect(await runs.cleanUp(input)).toBeUndefined();
    expect(runs.get(APP)).toMatchObject({ phase: 'Open', runId: 'run-2' });
  });
});

test('RUNS-6: a run is notified once of the end of a nested run', async () => {
  await found();
  const end = { member: 'VirtualMachineGroup/inner', runId: 'inner-1', endedRunId: 'inner-1' };
  for (let times = 0; times < 3; times += 1) await runs.reportEnd(APP, end);
  expect(server.ends).toEqual([{ member: end.member, runId: 'inner-1' }]);
  // The next nested run was terminated too.
  await runs.reportEnd(APP, { ...end, runId: 'inner-2', endedRunId: 'inner-2' });
  expect(server.ends).toHaveLength(2);
});

test('RUNS-6: the notification of the end of a nested run is repeated after the server refused it', async () => {
  await found();
  const end = { member: 'VirtualMachineGroup/inner', runId: 'inner-1', endedRunId: 'inner-1' };
  server.down = true;
  await expect(runs.reportEnd(APP, end)).rejects.toThrow('connection refused');
  server.down = false;
  await runs.reportEnd(APP, end);
  expect(server.ends).toHaveLength(2);
});

test('RUNS-3: a run that no worker takes along is withdrawn once', async () => {
  await found({ silent: true });
  for (let times = 0; times < 5; times += 1) await runs.withdraw(APP, 'the group was deleted');
  expect(server.withdrawn).toEqual(['the group was deleted']);
  await runs.send(message);
  await runs.withdraw(APP, 'deleted again');
  expect(server.withdrawn).toEqual(['the group was deleted', 'deleted again']);
});

test('FOLLOW-1: the end of a run is noticed once a server that was away is back', async () => {
  await found();
  server.down = true;
  server.tell({ count: 0 });
  await pass(10 * MINUTE);
  expect(reachable).toEqual([false]);
  server.down = false;
  server.close('COMPLETED', outcome(plan));
  await pass(5_000);
  expect(runs.get(APP)).toMatchObject({ phase: 'Closed', runId: 'run-1', closedAs: 'COMPLETED' });
  expect(reachable).toEqual([false, true]);
});

describe('FOLLOW-2: what an open run costs', () => {
  test('one in which nothing happens for a day is queried twice at most, described once a minute, and raises no alarm', async () => {
    await found();
    await pass(DAY);
    expect(server.count('progress')).toBeLessThanOrEqual(2);
    expect(server.count('describe')).toBeLessThanOrEqual(1_500);
    expect(reachable).toEqual([]);
  });

  test('a step of the run is seen within a second', async () => {
    await found();
    await pass(60 * MINUTE);
    const before = server.count('progress');
    Object.assign(server.runs[0] ?? {}, { progress: progressOf(plan, { message: 'next' }) });
    server.tell({ changed: true });
    await pass(1_000);
    expect(runs.get(APP)).toMatchObject({ progress: { message: 'next' } });
    expect(server.count('progress') - before).toBe(1);
  });

  test('one that does not answer is probed without cost, and queried once it does', async () => {
    await found({ silent: true });
    await pass(DAY);
    expect(server.count('progress')).toBe(1);
    expect(server.count('probe')).toBeGreaterThan(1_000);
    Object.assign(server.runs[0] ?? {}, { silent: false });
    await pass(MINUTE);
    expect(runs.get(APP)).toMatchObject({ progress: { name: 'app' } });
  });
});

test('a run that continues as new is the same run', async () => {
  await found();
  server.runs.push({
    runId: 'run-1b',
    firstRunId: 'run-1',
    progress: progressOf(plan, { message: 'continued' }),
  });
  server.tell({ changed: true, closed: { continuedAs: 'run-1b' } }, 'run-1');
  await pass(2_000);
  expect(runs.get(APP)).toMatchObject({ phase: 'Open', runId: 'run-1', progress: { message: 'continued' } });
  expect(await runs.send(message)).toBe('run-1');
});

test('a message to a run that has continued as new a moment ago goes to the same run', async () => {
  await found();
  server.runs.push({ runId: 'run-1b', firstRunId: 'run-1', progress: progressOf(plan) });
  expect(await runs.send(message)).toBe('run-1');
});

test('an answer of a run from before a message was sent counts as stale until it answers again', async () => {
  await found();
  expect(runs.get(APP)).not.toHaveProperty('unheard');
  let answer = (): void => undefined;
  server.before = (call) =>
    call === 'progress' ? new Promise((over) => (answer = over)) : Promise.resolve();
  server.tell({ changed: true });
  await pass(500);
  await runs.send(message);
  server.before = async () => undefined;
  answer();
  await pass(0);
  expect(runs.get(APP)).toHaveProperty('unheard', true);
  await pass(2_000);
  expect(runs.get(APP)).not.toHaveProperty('unheard');
});

test('a workflow task that fails, and its recovery, are seen within seconds', async () => {
  await found();
  await pass(60 * MINUTE);
  const health = { paused: [], workflowTask: { attempt: 3, since: 5 } };
  Object.assign(server.runs[0] ?? {}, { health });
  server.tell({ troubled: true });
  await pass(3_000);
  expect(runs.get(APP)).toMatchObject({ health });
  Object.assign(server.runs[0] ?? {}, { health: { paused: [] } });
  server.tell({ changed: true });
  await pass(3_000);
  expect(runs.get(APP)).not.toHaveProperty('health');
});

test('an activity that is paused is seen within 20 seconds', async () => {
  await found({ pendingActivities: 1 });
  await pass(60 * MINUTE);
  const paused = [
    { activityId: 'power-on/a', activityType: 'powerOn', at: 1, by: 'ann', reason: 'look at the host' },
  ];
  Object.assign(server.runs[0] ?? {}, { health: { paused } });
  await pass(21_000);
  expect(runs.get(APP)).toMatchObject({ health: { paused } });
});

describe('events of a history', () => {
  const event = (attributes: temporal.api.history.v1.IHistoryEvent): temporal.api.history.v1.IHistoryEvent =>
    attributes;
  const read = (...events: temporal.api.history.v1.IHistoryEvent[]) => runEvents({ history: { events } });

  test('a workflow task that was completed changes what the run answers; one that failed after it is trouble', () => {
    const completed = event({ workflowTaskCompletedEventAttributes: {} });
    const failed = event({ workflowTaskFailedEventAttributes: {} });
    expect(read(failed, completed)).toEqual({ count: 2, changed: true, troubled: false });
    expect(read(completed, failed)).toEqual({ count: 2, changed: true, troubled: true });
    expect(read(event({ timerStartedEventAttributes: {} }))).toEqual({
      count: 1,
      changed: false,
      troubled: false,
    });
  });

  test('how an execution ended', () => {
    expect(read(event({ workflowExecutionTerminatedEventAttributes: {} })).closed).toEqual({});
    const continued = event({
      workflowExecutionContinuedAsNewEventAttributes: { newExecutionRunId: 'next' },
    });
    expect(read(continued).closed).toEqual({ continuedAs: 'next' });
  });

  test('a server that says nothing for longer than a wait lasts is no server that is away', async () => {
    const never = new Promise<never>(() => undefined);
    const client = {
      options: { namespace: 'default' },
      withAbortSignal: (_signal: AbortSignal, make: () => unknown) => make(),
      workflowService: { getWorkflowExecutionHistory: () => never },
    } as unknown as Client;
    const from = new Uint8Array([1]);
    const waiting = temporalRuns(client, 'q').events(APP, 'run-1', from, new AbortController().signal);
    await pass(2 * MINUTE);
    expect(await waiting).toEqual({ count: 0, changed: false, troubled: false, next: from });
  });
});
