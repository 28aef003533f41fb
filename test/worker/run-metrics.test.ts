/** Metrics of runs and operations. */
import { ApplicationFailure } from '@temporalio/common';
import { Registry } from 'prom-client';
import { EVENT_REASONS, stuckRuns, type GroupView } from '../../bridge';
import { WorkQueue } from '../../kubernetes';
import { countEvents, countOperations, countRuns, showFigures, showQueue } from '../../worker';
import { until } from '../support/until';
import { plan, SECOND, seen, tier } from '../workflows/plans';
import { World } from '../workflows/world';
import { knownGroup } from '../insight/known';

const name = { namespace: 'production', name: 'shop' };
const PLAN = plan([tier([seen('a', 'PoweredOff'), seen('b', 'PoweredOff')])]);

function view(world: World, runId: string): GroupView {
  const known = knownGroup(world) as unknown as GroupView;
  const run = known.run as NonNullable<GroupView['run']>;
  const { outcome } = world;
  return { ...known, run: { ...run, runId, ...(outcome && { outcome, endedAt: outcome.endedAt }) } };
}

async function value(registry: Registry, metric: string): Promise<string[]> {
  const text = await registry.getSingleMetricAsString(metric);
  return text.split('\n').filter((line) => !line.startsWith('#') && !line.includes('_bucket'));
}

const ended = (): World => new World(() => ({ takes: 7 * SECOND })).send(PLAN).pass();

test('METRICS-1: a run counts once, and not if it had ended before it was seen', async () => {
  const registry = new Registry();
  const onView = countRuns(registry);
  onView(name, view(ended(), 'old'));
  expect(await value(registry, 'vmgroup_run_seconds')).toEqual([]);
  const open = new World(() => ({ takes: Infinity })).send(PLAN);
  onView(name, view(open, 'new'));
  onView(name, view(ended(), 'new'));
  onView(name, view(ended(), 'new'));
  const labels = '{power_state="PoweredOn",outcome="Converged"}';
  expect(await value(registry, 'vmgroup_run_seconds')).toEqual([
    `vmgroup_run_seconds_sum${labels} 7`,
    `vmgroup_run_seconds_count${labels} 1`,
  ]);
  expect(await value(registry, 'vmgroup_recovery_seconds')).toEqual([
    'vmgroup_recovery_seconds_sum{power_state="PoweredOn"} 14',
    'vmgroup_recovery_seconds_count{power_state="PoweredOn"} 2',
  ]);
  // One that began and ended between two views.
  onView(name, view(ended(), 'next'));
  expect((await value(registry, 'vmgroup_run_seconds'))[1]).toBe(`vmgroup_run_seconds_count${labels} 2`);
  onView(name, undefined);
  onView(name, view(ended(), 'of another group of the name'));
  expect((await value(registry, 'vmgroup_run_seconds'))[1]).toBe(`vmgroup_run_seconds_count${labels} 2`);
});

test('METRICS-3: what a step takes beyond the delay of the plan, and nothing after an exception', async () => {
  const registry = new Registry();
  const onView = countRuns(registry);
  const span = (began: number, ended: number): [number, number] => [began * SECOND, ended * SECOND];
  const open = view(new World(() => ({ takes: Infinity })).send(PLAN), 'new');
  const progress = {
    ...open.run?.progress,
    tiers: [
      { tier: 0, phase: 'Done', done: 2, total: 2 },
      { tier: 1, phase: 'Pending', after: 0, delay: 30 * SECOND, done: 0, total: 1 },
      { tier: 2, phase: 'Pending', after: 1, done: 0, total: 1 },
    ],
    members: [
      ...['a', 'b'].map((member) => ({ member, tier: 0, phase: 'Done', since: 0 })),
      { member: 'c', tier: 1, phase: 'Pending', since: 0 },
      { member: 'd', tier: 2, phase: 'Pending', since: 0 },
    ],
  };
  const finish = (exceptions: { member: string }[]): void => {
    onView(name, undefined);
    onView(name, { ...open, run: { ...open.run, progress } } as unknown as GroupView);
    const last = view(ended(), 'new');
    const spans = { a: span(0, 5), b: span(0, 9), c: span(40, 45), d: span(45.2, 50) };
    const outcome = { ...last.run?.outcome, spans, exceptions };
    onView(name, { ...last, run: { ...last.run, outcome } } as unknown as GroupView);
  };
  finish([]);
  const [sum, count] = await value(registry, 'vmgroup_step_seconds');
  expect(count).toBe('vmgroup_step_seconds_count 2');
  expect(Number(sum?.split(' ')[1])).toBeCloseTo(1 + 0.2);
  finish([{ member: 'b' }]);
  expect((await value(registry, 'vmgroup_step_seconds'))[1]).toBe('vmgroup_step_seconds_count 3');
});

test('how many trees wait, are looked at, and are to be looked at later', async () => {
  const registry = new Registry();
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const queue = new WorkQueue({ concurrency: 1, work: () => held, onError: () => undefined });
  showQueue(registry, () => queue.depth);
  for (const key of ['a', 'b', 'c']) queue.add(key);
  queue.add('d', 60_000);
  await until(() => queue.depth.working === 1, 'the first one to be worked on');
  expect(await value(registry, 'vmgroup_bridge_queue_trees')).toEqual([
    'vmgroup_bridge_queue_trees{state="waiting"} 2',
    'vmgroup_bridge_queue_trees{state="working"} 1',
    'vmgroup_bridge_queue_trees{state="later"} 1',
  ]);
  release();
  await queue.stop();
});

test('every event is there from the start, so that the first one is an increase', async () => {
  const registry = new Registry();
  const onEvent = countEvents(registry, EVENT_REASONS);
  const parked = 'vmgroup_events_total{reason="MemberParked",type="Warning"}';
  expect(await value(registry, 'vmgroup_events_total')).toContain(`${parked} 0`);
  onEvent({ reason: 'MemberParked', type: 'Warning' });
  expect(await value(registry, 'vmgroup_events_total')).toContain(`${parked} 1`);
});

test('operations by class of their failure', async () => {
  const registry = new Registry();
  const [make] = countOperations(registry).activity ?? [];
  const inbound = make?.({ info: { activityType: 'powerOn' } } as never).inbound;
  const run = (next: () => Promise<unknown>) => inbound?.execute?.({ args: [], headers: {} }, next);
  await expect(run(async () => 'done')).resolves.toBe('done');
  const failure = ApplicationFailure.create({ type: 'Throttled', message: 'slow down' });
  for (const error of [failure, failure, new Error('odd')])
    await expect(run(() => Promise.reject(error))).rejects.toBe(error);
  expect((await value(registry, 'vmgroup_operations_total')).sort()).toEqual([
    'vmgroup_operations_total{activity="powerOn",class="None"} 1',
    'vmgroup_operations_total{activity="powerOn",class="Throttled"} 2',
    'vmgroup_operations_total{activity="powerOn",class="Unknown"} 1',
  ]);
});

test('runs that do not continue are shown by reason, also those that wait for the worker of a platform', async () => {
  const registry = new Registry();
  const condition = { type: 'Ready', status: 'False', reason: 'NoPlatformWorker', message: '' } as const;
  const times = { lastTransitionTime: '2026-01-01T00:00:00Z', observedGeneration: 1 };
  const open = view(new World(() => ({ takes: Infinity })).send(PLAN), 'open');
  const waiting = { ...open, status: { ...open.status, conditions: [{ ...condition, ...times }] } };
  const caches = {};
  showFigures(registry, () => ({
    ready: true,
    leading: true,
    statusWrites: 0,
    caches,
    stuckRuns: stuckRuns([waiting, open]),
  }));
  expect(await value(registry, 'vmgroup_runs_stuck')).toContain(
    'vmgroup_runs_stuck{reason="NoPlatformWorker"} 1',
  );
});
