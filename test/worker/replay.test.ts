/** Replay of histories that end before their last workflow task was completed: those of wedged runs, among others. */
import { bundleWorkflowCode, DefaultLogger, type WorkflowBundle } from '@temporalio/worker';
import { replayHistories } from '../../worker';

interface Event {
  eventId: string;
  eventTime: string;
  eventType: string;
  [attributes: string]: unknown;
}

const RUN_ID = '02c75f2a-8a78-4ca6-8224-c1e2a5eb44f2';

function event(eventId: number, type: string, attributes: Record<string, unknown>): Event {
  const field = `${type.toLowerCase().replace(/_(.)/g, (_all, letter: string) => letter.toUpperCase())}EventAttributes`;
  const eventTime = '2026-11-23T19:00:30.25Z';
  return { eventId: String(eventId), eventTime, eventType: `EVENT_TYPE_${type}`, [field]: attributes };
}

const FIRST_TASK = [
  event(2, 'WORKFLOW_TASK_SCHEDULED', {}),
  event(3, 'WORKFLOW_TASK_STARTED', { scheduledEventId: '2' }),
];
const FAILED = event(4, 'WORKFLOW_TASK_FAILED', { scheduledEventId: '2', startedEventId: '3' });
const TASKS: [string, Event[]][] = [
  ['that is scheduled', FIRST_TASK.slice(0, 1)],
  ['that is started', FIRST_TASK],
  ['that has failed', [...FIRST_TASK, FAILED]],
  ['that follows on a failed one', [...FIRST_TASK, FAILED, event(5, 'WORKFLOW_TASK_SCHEDULED', {})]],
  ['of a run that was terminated', [...FIRST_TASK, FAILED, event(5, 'WORKFLOW_EXECUTION_TERMINATED', {})]],
  ['of a run that was terminated before it', [event(2, 'WORKFLOW_EXECUTION_TERMINATED', {})]],
];

function history(workflow: string, tasks: readonly Event[]): { events: Event[] } {
  const started = {
    workflowType: { name: workflow },
    taskQueue: { name: 'q' },
    originalExecutionRunId: RUN_ID,
  };
  return {
    events: [
      event(1, 'WORKFLOW_EXECUTION_STARTED', { ...started, attempt: 1, workflowTaskTimeout: '5s' }),
      ...tasks,
    ],
  };
}

let bundle: WorkflowBundle;

beforeAll(async () => {
  const workflowsPath = require.resolve('./replayed/workflows');
  bundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('WARN') });
});

describe.each(TASKS)('the last workflow task, one %s', (_title, tasks) => {
  it.each([
    ['fails', /a field is missing/],
    ['waits', undefined],
  ])('counts with the code of the build: %s', async (name, difference) => {
    const results = await replayHistories([{ name, workflowId: 'w', history: history(name, tasks) }], {
      workflowBundle: bundle,
    });
    expect(results).toHaveLength(1);
    if (difference) expect(results[0]?.difference).toMatch(difference);
    else expect(results[0]).toEqual({ name });
  });
});

test('histories that cannot be read or that differ take nothing from those after them', async () => {
  const waiting = history('waits', FIRST_TASK);
  const noStart = 'the history does not begin with the start of a run';
  const asked: [history: unknown, result: object][] = [
    [waiting, {}],
    [{ events: 'none' }, { fault: noStart }],
    [{ events: [null] }, { fault: noStart }],
    [
      { events: [{ eventId: 'one' }] },
      { fault: expect.stringMatching(/^the history cannot be read: /) as string },
    ],
    [{ events: [] }, { fault: noStart }],
    [{ events: FIRST_TASK }, { fault: noStart }],
    [history('fails', FIRST_TASK), { difference: expect.stringMatching(/a field is missing/) as string }],
    [history('waits', FIRST_TASK.slice(1)), { fault: 'event 2 of the history has the id 3' }],
    [
      history('waits', [...FIRST_TASK, event(4, 'WORKFLOW_TASK_SCHEDULED', {})]),
      { fault: 'event 4 of the history does not end the workflow task that event 3 starts' },
    ],
    [waiting, {}],
  ];
  const recorded = asked.map(([each], at) => ({ name: `history ${at}`, workflowId: 'w', history: each }));
  const results = await replayHistories(recorded, { workflowBundle: bundle });
  expect(results).toEqual(asked.map(([, result], at) => ({ name: `history ${at}`, ...result })));
});
