/**
 * What is read of a status that any user may have patched.
 *
 * Guarantees: G5.
 */
import fc from 'fast-check';
import type { GroupView } from '../../../bridge';
import { viewOfSummary } from '../../../bridge/kubernetes/companion/summary';
import { loadViews, statusDigest } from '../../../bridge/kubernetes/stored-status';
import { storedStatus, viewOfObject } from '../../../bridge/kubernetes/stored-status/stored-status';
import { runOfView, unusableView } from '../../../bridge/status';
import type { ApiServer } from '../../../kubernetes';
import { propertyRuns } from '../../support/property-runs';

const metadata = { namespace: 'prod', name: 'app', uid: 'u', generation: 1 };
const TIME = '2026-01-01T00:00:00Z';
const condition = {
  type: 'Ready',
  status: 'False',
  reason: 'NotSynced',
  message: 'm',
  lastTransitionTime: TIME,
  observedGeneration: 1,
};
const member = { name: 'a', kind: 'VirtualMachine', powerState: 'PoweredOn', conditions: [condition] };
const sent = {
  digest: 'd',
  wants: 'w',
  revision: 'r',
  lineage: 'l',
  powerState: 'PoweredOn',
  forceSync: '',
  drift: { a: 1 },
  recovered: ['a'],
  runId: 'run-1',
};
const remembered = {
  startedAt: 1_000,
  endedAt: 2_000,
  closedAs: 'COMPLETED',
  outcome: {
    revision: 'r',
    generation: 1,
    lineage: 'l',
    powerState: 'PoweredOn',
    startedAt: 1_000,
    endedAt: 2_000,
    operations: 1,
    corrections: { a: [1] },
    released: ['a'],
    spans: { a: [1, 2] },
  },
};
const run = {
  workflowId: 'w',
  runId: 'run-1',
  startTime: TIME,
  endTime: TIME,
  outcome: 'Cancelled',
  message: 'm',
  exceptions: [{ member: 'a', reason: 'Parked', message: 'm' }],
  memory: { run: remembered, sent },
};
const status = {
  phase: 'Cancelled',
  message: 'm',
  readyMembers: '0/1',
  observedGeneration: 1,
  members: [member],
  conditions: [condition],
  lastUpdatedPowerStateTime: TIME,
  run,
};

const viewOf = (of: unknown): GroupView | undefined => viewOfObject({ metadata, status: of });

/** Does what is done with a view that was read. */
function use(view: GroupView | undefined): void {
  if (!view) return;
  storedStatus(view);
  runOfView(view);
  storedStatus(unusableView({ group: metadata, problems: [], previous: view, now: 0 }));
}

test('READ-1: a run without memory, or with a memory that cannot be read, leaves the rest', () => {
  const { memory: _memory, ...runOnly } = run;
  for (const broken of [runOnly, { ...run, memory: null }, { ...run, memory: { run: 1, sent: 'x' } }]) {
    expect(viewOf({ ...status, run: broken })).toMatchObject({
      phase: 'Cancelled',
      run: { runId: 'run-1', startedAt: Date.parse(TIME) },
    });
  }
  for (const broken of [null, 1, [], { runId: 'run-1' }, { ...runOnly, startTime: 'yesterday' }]) {
    const view = viewOf({ ...status, run: broken });
    expect([view?.phase, view?.run]).toEqual(['Cancelled', undefined]);
  }
  expect(viewOf({ ...status, run: { memory: { sent } } })?.sent).toEqual(sent);
});

test('READ-1: members, conditions and exceptions that cannot be read are left out', () => {
  const junk = [null, 1, {}, []];
  const view = viewOf({
    ...status,
    members: [...junk, member],
    conditions: [...junk, condition],
    run: { ...run, exceptions: [...junk, ...run.exceptions] },
  });
  expect(view).toEqual(viewOf(status));
  expect(viewOf({ phase: 'Pending', members: null, conditions: 'x', message: 1 })).toMatchObject({
    status: { members: [], conditions: [] },
    message: '',
  });
});

test('READ-2: a run is remembered with its whole outcome, or not at all', () => {
  const read = (memory: unknown): unknown => runOfView(viewOf({ ...status, run: { ...run, memory } }));
  expect(read({ run: remembered })).toMatchObject({ phase: 'Closed', outcome: { outcome: 'Cancelled' } });
  const { lineage: _lineage, ...torn } = remembered.outcome;
  expect(read({ run: { ...remembered, outcome: torn } })).toEqual({ phase: 'None' });
  expect(read({ run: { ...remembered, endedAt: 1e300 } })).toEqual({ phase: 'None' });
});

test('READ-1: whatever stands in any field, reading does not fail, nor what is done with the view', () => {
  const paths = pathsOf(status);
  fc.assert(
    fc.property(fc.constantFrom(...paths), fc.jsonValue(), (path, value) => {
      const broken = withValue(status, path, value);
      use(viewOf(broken));
      viewOfSummary({ metadata: summarized, status: broken });
    }),
    { numRuns: propertyRuns(2_000) },
  );
});

test('DEPTH-1: a status that is nested thousands of levels deep is read without what is so deep, and has a digest', () => {
  let deep: unknown = 'bottom';
  for (let level = 0; level < 9_000; level += 1) deep = { deep };
  const hostile = {
    ...status,
    extra: deep,
    members: [{ ...member, placement: { zoneID: 'z', datastores: [deep] } }],
    run: { ...run, memory: { run: { ...remembered, extra: deep }, sent: { ...sent, extra: deep } } },
  };
  const view = viewOf(hostile);
  expect(view).toMatchObject({ phase: 'Cancelled', sent, run: { runId: 'run-1' } });
  expect(JSON.stringify(view)).toContain('"zoneID":"z"');
  use(view);
  expect(JSON.stringify(viewOfSummary({ metadata: summarized, status: hostile }))).toContain('"zoneID":"z"');
  const digest = (of: object): string => statusDigest({ metadata, status: of });
  expect(digest(hostile)).toBe(digest({ ...hostile }));
  expect(digest(hostile)).not.toBe(digest({ ...hostile, phase: 'Converged' }));
});

const annotations = {
  'vmgroup.dev/status': JSON.stringify({ uid: 'u', phase: 'Pending', message: 'm', observedGeneration: 1 }),
};
const summarized = { ...metadata, annotations };

test('an object whose view cannot be read is left out and reported, and the others are read', async () => {
  const items = ['a', 'b'].map((name) => ({ metadata: { ...metadata, name }, status }));
  const api = { list: async () => ({ metadata: {}, items }) } as unknown as ApiServer;
  const unreadable: string[] = [];
  const views = await loadViews(
    { api, onUnreadable: (_error, { name }) => unreadable.push(name) },
    (object) => {
      if (object.metadata.name === 'a') throw new TypeError('unexpected');
      return viewOfObject(object);
    },
  );
  expect([views.map((view) => view.metadata.name), unreadable]).toEqual([['b'], ['a']]);
});

/** The path of every field and item below a value. */
function pathsOf(value: unknown): string[][] {
  if (typeof value !== 'object' || value === null) return [[]];
  return [[], ...Object.entries(value).flatMap(([key, each]) => pathsOf(each).map((path) => [key, ...path]))];
}

function withValue(whole: unknown, [key, ...path]: string[], value: unknown): unknown {
  if (key === undefined) return value;
  const part = (whole as Record<string, unknown>)[key];
  if (Array.isArray(whole))
    return whole.map((each: unknown, at) => (`${at}` === key ? withValue(part, path, value) : each));
  return { ...(whole as object), [key]: withValue(part, path, value) };
}
