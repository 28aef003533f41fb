/** Events of the record from the recorded histories. Guarantees: G11. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { canonicalText } from '../../api';
import {
  deriveEvents,
  eventLine,
  HistoryError,
  WITHOUT_MEANING,
  type PlanReceived,
  type RunEvent,
} from '../../record';
import { propertyRuns } from '../support/property-runs';
import { event, history, JsonText, signal, type Draft } from './histories';

const FOLDER = path.join(__dirname, '../histories');
const EXECUTION = { workflowId: 'vmgroup/prod/app', runId: 'run-1' };

interface Recorded {
  events: { eventId: string; eventType: string }[];
}

const recorded = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.json'))
  .map((name) => [name, JSON.parse(readFileSync(path.join(FOLDER, name), 'utf8')) as Recorded] as const);

function read(name: string): RunEvent[] {
  const found = recorded.find(([file]) => file === `${name}.json`);
  return deriveEvents(found?.[1], EXECUTION).events;
}

function only<K extends RunEvent['kind']>(events: RunEvent[], kind: K): Extract<RunEvent, { kind: K }>[] {
  return events.filter((each): each is Extract<RunEvent, { kind: K }> => each.kind === kind);
}

test.each(recorded)(
  'RECORD-3, RECORD-4: %s is on record as a whole, and the same each time',
  (_name, found) => {
    const { events } = deriveEvents(found, EXECUTION);
    const named = new Set(events.map(({ source }) => (source.from === 'History' ? source.eventId : -1)));
    const meant = found.events.filter(
      (each) =>
        !Object.hasOwn(WITHOUT_MEANING, each.eventType.replace('EVENT_TYPE_', '')) &&
        // Which behaviour a run uses, as a marker.
        !JSON.stringify(each).includes('"TemporalChangeVersion"'),
    );
    expect([...named].sort((a, b) => a - b)).toEqual(meant.map(({ eventId }) => Number(eventId)));
    expect(only(events, 'HistoryEventUnknown')).toEqual([]);
    expect(only(events, 'SignalReceived').filter(({ ignored }) => ignored !== undefined)).toEqual([]);
    expect(canonicalText(deriveEvents(structuredClone(found), EXECUTION).events)).toBe(canonicalText(events));
    for (const { task } of only(events, 'ActivityScheduled')) expect(task.type).not.toBe('Unknown');
    for (const { result } of only(events, 'ActivityCompleted')) expect(result.type).not.toBe('Unknown');
  },
);

test('a parked VM and its retry: attempts with class, command with actor and reason, outcome', () => {
  const events = read('parked-and-retried');
  expect(
    only(events, 'AttemptFailed').map(({ member, attempt, class: type }) => [member, attempt, type]),
  ).toEqual([
    ['app-1', 1, 'Transient'],
    ['app-1', 2, 'Transient'],
  ]);
  expect(only(events, 'ActivityFailed')).toMatchObject([
    { member: 'app-1', class: 'Transient', attempts: 2 },
  ]);
  expect(only(events, 'CommandReceived')).toMatchObject([
    { verb: 'retryMember', member: 'app-1', actor: { name: 'alice', known: false }, reason: 'test' },
  ]);
  expect(only(events, 'CommandAnswered')).toMatchObject([{ message: 'Retrying app-1.' }]);
  expect(events.at(-1)).toMatchObject({
    kind: 'RunCompleted',
    outcome: { outcome: 'Converged', operations: 5 },
  });
});

test('an amended plan says what it changes', () => {
  const [, amended] = events('turned-round');
  expect(amended).toMatchObject({
    kind: 'PlanAmended',
    powerState: 'PoweredOff',
    changes: expect.arrayContaining(['powerState: PoweredOn to PoweredOff']) as unknown,
  });
  function events(name: string): RunEvent[] {
    return read(name).filter(({ kind }) => kind === 'PlanReceived' || kind === 'PlanAmended');
  }
});

test('a plan names who changed the desired state, and an amendment only if that is a change of its own', () => {
  const policy = {
    operationTimeout: 1,
    maxConcurrentOperations: 1,
    guestShutdownTimeout: 1,
    retry: { maximumAttempts: 1, initialInterval: 1, maximumInterval: 1 },
    drift: { action: 'Enforce', maxCorrections: 1, window: 1 },
  };
  const plan = { name: 'app', root: 'app', powerState: 'PoweredOn', tiers: [], policy };
  const by = {
    name: 'ann',
    known: true,
    at: '2026-01-01T00:00:00.000Z',
    object: 'VirtualMachineGroup prod/app',
  };
  const sent = (cause: string, generation: number, changedBy: object): Draft =>
    signal('applyPlan', { plan: { ...plan, generation, revision: `r${generation}` }, cause, changedBy });
  const { events } = deriveEvents(
    history(
      sent('SpecChanged', 1, by),
      // VMs were seen only now: no user has changed the group again.
      sent('SpecChanged', 1, by),
      sent('SpecChanged', 2, { ...by, name: 'bob' }),
      // A field manager's time is in seconds: one more change within one is another change all the same.
      sent('SpecChanged', 3, { ...by, name: 'bob' }),
    ),
    EXECUTION,
  );
  const plans = events.filter(
    (each): each is typeof each & PlanReceived => each.kind === 'PlanReceived' || each.kind === 'PlanAmended',
  );
  expect(plans.map(({ changedBy }) => changedBy?.name)).toEqual(['ann', undefined, 'bob', 'bob']);
  expect(plans.map((each) => eventLine(each).who)).toEqual([
    ...['ann (known)', 'bridge', 'bob (known)', 'bob (known)'],
  ]);
});

test('executions that continue as new are one run', () => {
  const [first, second] = ['continued-as-new-1', 'continued-as-new-2'].map((name) =>
    deriveEvents(recorded.find(([file]) => file === `${name}.json`)?.[1], EXECUTION),
  );
  expect(second?.run).toEqual(first?.run);
  expect(first?.next).toBeDefined();
  expect(second?.before).toBe(first?.run.runId);
});

test('a run that clears up names the run that was ended, and who ended it', () => {
  const [first] = only(read('terminated-cleaned-up'), 'ExecutionStarted');
  expect(first?.cleansUp).toMatchObject({ actor: { known: false }, reason: 'wrong button' });
});

test('RECORD-2: an attempt that was reported twice is on record once', () => {
  const attempt = { attempt: 1, at: 5, class: 'Transient', message: 'busy' };
  const vm = { namespace: 'prod', name: 'db', uid: 'u' };
  const input = {
    vm,
    operation: { id: 'o', sequence: 1 },
    powerState: 'PoweredOn',
    gate: 'PoweredOn',
    gateTimeout: 1,
    earlier: [{ ...attempt, at: 1 }],
  };
  const status = { powerState: 'PoweredOn', at: 9 };
  const { events } = deriveEvents(
    history(
      event(
        'ACTIVITY_TASK_SCHEDULED',
        { activityId: 'a', activityType: { name: 'powerOn' } },
        { input: [input] },
      ),
      signal('attemptFailed', { activityId: 'a', attempt }),
      event(
        'ACTIVITY_TASK_COMPLETED',
        { scheduledEventId: '2' },
        {
          result: [
            {
              status,
              acted: true,
              failures: [{ ...attempt, at: 1 }, attempt, { ...attempt, at: 7, class: 'WorkerLost' }],
            },
          ],
        },
      ),
    ),
    EXECUTION,
  );
  expect(only(events, 'AttemptFailed').map(({ at, class: type }) => [at, type])).toEqual([
    [5, 'Transient'],
    [7, 'WorkerLost'],
  ]);
});

test('RECORD-5: what a reset execution repeats is left out if it is on record already', () => {
  const reset = history(
    signal('withdraw', { reason: 'first' }),
    event('WORKFLOW_TASK_FAILED', {
      cause: 'WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW',
      baseRunId: 'run-0',
      failure: { message: 'try again' },
    }),
    signal('withdraw', { reason: 'second' }),
  );
  const all = deriveEvents(reset, EXECUTION);
  const rest = deriveEvents(reset, EXECUTION, { inherits: true });
  expect(all.before).toBe('run-0');
  expect(all.events.map(({ kind }) => kind)).toEqual([
    'ExecutionStarted',
    'Withdrawn',
    'ExecutionReset',
    'Withdrawn',
  ]);
  expect(rest.events).toEqual(all.events.slice(2));
});

test('signals by hand are on record with the identity of their sender, and why they have no effect', () => {
  const { events } = deriveEvents(
    history(
      signal('nonsense', { password: 'hunter2' }, 'eve@laptop'),
      signal('applyPlan', 'no plan', 'eve@laptop'),
    ),
    EXECUTION,
  );
  expect(only(events, 'SignalReceived')).toMatchObject([
    { name: 'nonsense', identity: 'eve@laptop', ignored: 'a run has no such signal' },
    { name: 'applyPlan', identity: 'eve@laptop', ignored: 'its argument cannot be read' },
  ]);
  expect(JSON.stringify(events)).not.toContain('hunter2');
});

test('RECORD-1: no field that the allowlist lacks gets in, wherever it stands', () => {
  for (const [name, found] of recorded) {
    const salted = JSON.parse(JSON.stringify(found), salt) as unknown;
    const text = JSON.stringify(deriveEvents(salted, EXECUTION).events);
    expect([name, text.includes('SECRET')]).toEqual([name, false]);
    expect(text).toBe(JSON.stringify(deriveEvents(found, EXECUTION).events));
  }
});

/** Adds a secret to every object in every payload, and to every object of Temporal's own. */
function salt(key: string, value: unknown): unknown {
  if (key === 'data' && typeof value === 'string')
    return Buffer.from(
      JSON.stringify(JSON.parse(Buffer.from(value, 'base64').toString(), saltPayload)),
    ).toString('base64');
  return saltPayload(key, value);
}

/** Objects whose keys are names: what is added there would be the name of a VM. */
const KEYED = new Set(['observed', 'placements', 'indexedFields', 'details']);

function saltPayload(key: string, value: unknown): unknown {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  const isStatus = isObject && Object.hasOwn(value, 'powerState');
  if (!isObject || (KEYED.has(key) && !isStatus)) return value;
  return { ...value, secret: 'SECRET', userData: { password: 'SECRET' } };
}

test('a plan that is nested without end is on record as unreadable', () => {
  const depth = 5_000;
  const text = `{"plan":${'{"tiers":[{"members":[{"plan":'.repeat(depth)}{}${'}]}]}'.repeat(depth)},"cause":"SpecChanged"}`;
  const { events } = deriveEvents(history(signal('applyPlan', new JsonText(text))), EXECUTION);
  expect(only(events, 'SignalReceived')).toHaveLength(1);
});

test.each([
  ['no object', 1],
  ['no events', {}],
  ['an empty list', { events: [] }],
  ['a gap', { events: [{ eventId: '2', eventTime: '2026-01-01T00:00:00Z' }] }],
  ['no time', { events: [{ eventId: '1' }] }],
])('a history with %s is refused', (_name, value) => {
  expect(() => deriveEvents(value, EXECUTION)).toThrow(HistoryError);
});

test('any JSON in the place of any attribute is read without an exception', () => {
  const types = [...new Set(recorded.flatMap(([, { events }]) => events.map(({ eventType }) => eventType)))];
  fc.assert(
    fc.property(fc.constantFrom(...types), fc.jsonValue({ maxDepth: 4 }), (type, attributes) => {
      const found = history({ eventType: type, anyEventAttributes: attributes });
      const { events } = deriveEvents(found, EXECUTION);
      expect(events[0]?.kind).toBe('ExecutionStarted');
    }),
    { numRuns: propertyRuns(500) },
  );
});
