import { indexManifests, resolveTrees, type GroupView, type RunHealth } from '../../../bridge';
import { manifestEvents, problemEvents, viewEvents } from '../../../bridge/events';
import type { MemberPhase, Plan, RunOutcome } from '../../../contract';
import { group, manifests, NS, outcome, progressOf, tier, vm } from '../fixtures';

const from = manifests({
  groups: [group('app', [tier(['a'])], { powerState: 'PoweredOn' })],
  virtualMachines: [vm('a', 'app')],
});
const { groups } = indexManifests(from);
const plan = resolveTrees(from)[0] as Plan;

function view(run?: GroupView['run']): GroupView {
  return {
    apiVersion: 'vmoperator.vmware.com/v1alpha6',
    kind: 'VirtualMachineGroup',
    metadata: { namespace: NS, name: 'app', uid: 'app', generation: 1 },
    spec: {},
    status: { observedGeneration: 1, members: [], conditions: [] },
    phase: 'Pending',
    message: '',
    ...(run && { run }),
  };
}

const base = { workflowId: 'vmgroup/prod/app', runId: 'r1', startedAt: 1 };
function open(phase: MemberPhase, tierPhase: 'Running' | 'Done' = 'Running'): GroupView {
  const progress = progressOf(plan, {
    members: [{ member: 'a', tier: 0, phase, since: 1 }],
    tiers: [{ tier: 0, phase: tierPhase, done: 0, total: 1 }],
  });
  return view({ ...base, progress });
}
function closed(over: Partial<RunOutcome> = {}): GroupView {
  return view({ ...base, endedAt: 9, outcome: outcome(plan, over) });
}

function delayed(until: number): GroupView {
  const progress = progressOf(plan, {
    members: [{ member: 'a', tier: 0, phase: 'Pending', since: 1 }],
    tiers: [{ tier: 0, phase: 'Delay', until, done: 0, total: 1 }],
  });
  return view({ ...base, progress });
}
function failing(attempt: number): GroupView {
  const lastError = { class: 'Transient', message: 'no answer', at: attempt };
  const progress = progressOf(plan, {
    members: [{ member: 'a', tier: 0, phase: 'InProgress', since: 1, attempt: attempt + 1, lastError }],
  });
  return view({ ...base, progress });
}

const PAUSED = { activityId: 'power-on/a', activityType: 'powerOn', at: 1_000, by: 'bob', reason: 'host' };
const task = (attempt: number) => ({ attempt, since: 1_000 });
function unwell(health: Partial<RunHealth>): GroupView {
  return view({ ...base, health: { paused: [], ...health } });
}

const short = (events: { type: string; reason: string }[]) =>
  events.map(({ type, reason }) => `${type} ${reason}`);

test.each<[string, GroupView | undefined, GroupView, string[]]>([
  ['nothing ran', undefined, view(), []],
  ['a run opens', view(), view(base), ['Normal RunStarted']],
  ['a member starts', view(base), open('InProgress'), ['Normal MemberStarted']],
  ['seen in the middle', undefined, open('Done', 'Done'), ['Normal RunStarted']],
  [
    'a member and its tier are done',
    open('InProgress'),
    open('Done', 'Done'),
    ['Normal MemberDone', 'Normal TierDone'],
  ],
  ['a member is parked', open('InProgress'), open('Parked'), ['Warning MemberParked']],
  ['a delay begins', open('Pending'), delayed(5000), ['Normal DelayStarted']],
  ['the delay continues', delayed(5000), delayed(5000), []],
  ['the delay is changed', delayed(5000), delayed(9000), ['Normal DelayStarted']],
  ['a member does not exist', view(base), open('Missing'), ['Warning MemberMissing']],
  ['an attempt fails', open('InProgress'), failing(1), ['Warning AttemptFailed']],
  ['and no other', failing(1), failing(1), []],
  ['and the next', failing(1), failing(2), ['Warning AttemptFailed']],
  ['nothing moved', open('InProgress'), open('InProgress'), []],
  ['the run ends', open('Done'), closed(), ['Normal RunEnded']],
  ['it ends badly', open('Done'), closed({ outcome: 'Failed' }), ['Warning RunEnded']],
  [
    'ended from outside',
    open('Done'),
    view({ ...base, endedAt: 9, closedAs: 'TERMINATED' }),
    ['Warning RunEnded'],
  ],
  ['an old run is no news after a restart', undefined, closed(), []],
  [
    'a quick run is seen when it is over',
    view({ ...base, runId: 'r0', endedAt: 1 }),
    closed(),
    ['Normal RunEnded'],
  ],
  ['and told once', closed(), closed(), []],
  ['an activity is paused', view(base), unwell({ paused: [PAUSED] }), ['Warning RunPaused']],
  ['and stays so', unwell({ paused: [PAUSED] }), unwell({ paused: [PAUSED] }), []],
  ['it is unpaused', unwell({ paused: [PAUSED] }), view(base), ['Normal RunUnpaused']],
  ['the workflow task fails', view(base), unwell({ workflowTask: task(3) }), ['Warning RunFailing']],
  ['and keeps failing', unwell({ workflowTask: task(3) }), unwell({ workflowTask: task(9) }), []],
  ['it works again', unwell({ workflowTask: task(3) }), unwell({}), ['Normal RunRecovered']],
  ['a paused run ends', unwell({ paused: [PAUSED] }), closed(), ['Normal RunEnded']],
])('%s', (_, before, after, expected) => {
  expect(short(viewEvents(before, after))).toEqual(expected);
});

test('the event of a pause names who paused, since when, why, and the command that unpauses', () => {
  expect(viewEvents(view(base), unwell({ paused: [PAUSED] }))[0]?.message).toBe(
    'activity power-on/a is paused in Temporal by bob since 1970-01-01T00:00:01Z: host. ' +
      'Way out: temporal activity unpause -w vmgroup/prod/app --activity-id power-on/a',
  );
});

test('groups that are added, changed and deleted', () => {
  const known = new Map([
    ['prod/app', 'old'],
    ['prod/gone', undefined],
  ]);
  expect(manifestEvents(known, groups).map((event) => `${event.reason} ${event.object.name}`)).toEqual([
    'GroupChanged app',
    'GroupDeleted gone',
  ]);
  expect(short(manifestEvents(new Map(), groups))).toEqual(['Normal GroupAdded']);
  expect(manifestEvents(new Map([['prod/app', undefined]]), groups)).toEqual([]);
});

test('each problem is reported once, also if it moves in its file', () => {
  const problem = {
    severity: 'Error' as const,
    file: 'a.yaml',
    line: 1,
    column: 1,
    path: 'spec.x',
    message: 'unknown field',
  };
  expect(problemEvents([], [problem])).toMatchObject([
    {
      reason: 'InvalidManifest',
      object: { kind: 'File', name: 'a.yaml' },
      message: 'a.yaml:1:1: spec.x: unknown field',
    },
  ]);
  expect(problemEvents([problem], [{ ...problem, line: 9 }])).toEqual([]);
  expect(short(problemEvents([], [{ ...problem, severity: 'Warning' }]))).toEqual([
    'Warning ManifestWarning',
  ]);
});
