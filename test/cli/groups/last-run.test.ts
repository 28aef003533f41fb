/**
 * Views of groups with what Temporal says of their runs.
 *
 * Guarantees: G8.
 */
import { mayBeOutdated, statusText, withRun, type LastRun } from '../../../cli/groups/last-run';
import { storedGroup, type StoredGroup } from '../../../cli/groups/stored-group';
import type { GroupView } from '../../../bridge';
import type { Progress, RunOutcome } from '../../../contract';

const condition = (type: string, status: string, reason: string) => ({
  type,
  status,
  reason,
  message: reason,
});

/** An object on definitions without room for phase and run. */
function object(ready: 'True' | 'False', ...memberConditions: object[]): StoredGroup {
  return storedGroup({
    metadata: { namespace: 'prod', name: 'app', uid: 'u', generation: 1 },
    spec: { powerState: 'PoweredOn' },
    status: {
      members: [{ name: 'a', kind: 'VirtualMachine', conditions: memberConditions }],
      conditions: [
        {
          ...condition('Ready', ready, ready === 'True' ? 'AllMembersReady' : 'MembersNotReady'),
          observedGeneration: 1,
        },
      ],
    },
  });
}

const READY = object('True', condition('PowerStateSynced', 'True', 'PowerStateMatches'));
const WAITING = object('False', condition('PowerStateSynced', 'False', 'Pending'));
const LEFT = object(
  'False',
  condition('PowerStateSynced', 'False', 'NotSynced'),
  condition('PlacementReady', 'False', 'Pending'),
);

/** An object on our own definitions. */
const OURS: StoredGroup = {
  lacksRun: false,
  view: { ...WAITING.view, phase: 'PoweringOn', run: { workflowId: 'w', runId: 'r', startedAt: 1 } },
};

const base = { workflowId: 'vmgroup/prod/app', runId: 'r', startedAt: 1 };
const progress = { lineage: 'u', phase: 'PoweringOn', message: 'moves', startedAt: 1 } as Progress;
const open: LastRun = { ...base, phase: 'PoweringOn', progress, health: { paused: [] } };
const ended = (outcome: string, lineage = 'u'): LastRun => ({
  ...base,
  endedAt: 9,
  outcome: { outcome, lineage, message: 'why' } as RunOutcome,
});
const shown = (group: StoredGroup, run: LastRun | undefined) => {
  const { phase, message, run: found } = withRun(group, run);
  return { phase, message, run: found };
};

test.each<[string, StoredGroup, string]>([
  ['ready', READY, 'Converged'],
  ['a member is Pending', WAITING, 'Pending'],
  ['left as it is; a place that was given back says nothing', LEFT, 'OutOfSync'],
  ['invalid', { ...storedGroup(invalid()) }, 'Invalid'],
  ['no power state', storedGroup({ metadata: { name: 'app' }, status: { conditions: [] } }), 'Unmanaged'],
])('RUN-VIEW-1: the phase derived from conditions: %s', (_, { view }, phase) => {
  expect(view.phase).toBe(phase);
});

function invalid(): Parameters<typeof storedGroup>[0] {
  const conditions = [condition('Ready', 'False', 'Invalid')];
  return { metadata: { name: 'app' }, spec: { powerState: 'PoweredOn' }, status: { conditions } };
}

test('an object that no bridge has handled has no run to read', () => {
  const fresh = storedGroup({ metadata: { name: 'app' }, spec: { powerState: 'PoweredOn' } });
  expect(fresh).toMatchObject({ lacksRun: false, view: { phase: 'Pending' } });
});

test('RUN-VIEW-1: an open run gives the phase and its steps', () => {
  expect(shown(WAITING, open)).toMatchObject({ phase: 'PoweringOn', message: 'moves', run: { progress } });
  expect(withRun(WAITING, open).run).not.toHaveProperty('phase');
  expect(withRun(WAITING, open).status).toEqual(WAITING.view.status);
});

test('a run that does not answer: the phase of its search attribute', () => {
  const { progress: _, ...silent } = open;
  expect(shown(WAITING, silent)).toMatchObject({ phase: 'PoweringOn', message: 'the run does not answer' });
});

test.each<[string, StoredGroup, LastRun, string]>([
  ['Cancelled', LEFT, ended('Cancelled'), 'Cancelled'],
  ['Failed', LEFT, ended('Failed'), 'Failed'],
  ['terminated', LEFT, { ...base, endedAt: 9, closedAs: 'TERMINATED' }, 'Cancelled'],
  ['drift that is only reported', LEFT, ended('Converged'), 'OutOfSync'],
  ['and brought back since', READY, ended('Cancelled'), 'Converged'],
  ['and another run is about to start', WAITING, ended('Cancelled'), 'Pending'],
])('RUN-VIEW-1: the last run ended: %s', (_, group, run, phase) => {
  expect(shown(group, run)).toMatchObject({ phase, run: { runId: 'r', endedAt: 9 } });
});

test('a run that was terminated: who did it, and why', () => {
  const run = { ...base, endedAt: 9, closedAs: 'TERMINATED', ended: { by: 'anna@host', reason: 'wrong' } };
  expect(shown(LEFT, run).message).toMatch(/^ended from outside \(TERMINATED by anna@host: wrong\): /);
});

test('RUN-VIEW-2: a run of another group of the same name is not shown', () => {
  expect(withRun(LEFT, ended('Failed', 'other'))).toBe(LEFT.view);
  expect(withRun(WAITING, { ...open, progress: { ...progress, lineage: 'parent/other' } })).toBe(
    WAITING.view,
  );
  expect(shown(WAITING, { ...open, progress: { ...progress, lineage: 'parent/u' } }).phase).toBe(
    'PoweringOn',
  );
});

test('on our own definitions Temporal adds the steps of an open run, and nothing else', () => {
  expect(withRun(OURS, open).run).toEqual({ ...OURS.view.run, progress, health: { paused: [] } });
  expect(withRun(OURS, ended('Cancelled'))).toBe(OURS.view);
  const closed: GroupView = { ...OURS.view, run: { ...base, endedAt: 5 } };
  expect(withRun({ view: closed, lacksRun: false }, open)).toBe(closed);
});

test('Temporal is asked while it may know more, and not all the time', () => {
  const known = (group: StoredGroup, run?: LastRun) => ({
    status: statusText(group.view),
    ...(run && { run }),
  });
  expect(mayBeOutdated(OURS, undefined)).toBe(true);
  expect(mayBeOutdated({ ...OURS, view: { ...OURS.view, run: { ...base, endedAt: 5 } } }, undefined)).toBe(
    false,
  );
  expect(mayBeOutdated(READY, undefined)).toBe(true);
  expect(mayBeOutdated(READY, known(READY, ended('Converged')))).toBe(false);
  expect(mayBeOutdated(READY, known(READY))).toBe(false);
  expect(mayBeOutdated(READY, known(READY, open))).toBe(true);
  expect(mayBeOutdated(READY, known(WAITING, ended('Converged')))).toBe(true);
  expect(mayBeOutdated(WAITING, known(WAITING, ended('Converged')))).toBe(true);
});
