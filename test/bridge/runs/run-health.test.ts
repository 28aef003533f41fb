/** Guarantees: G8. */
import { temporal } from '@temporalio/proto';
import { runHealth } from '../../../bridge';

const { WorkflowTaskFailedCause } = temporal.api.enums.v1;
type Description = Parameters<typeof runHealth>[0];
type HistoryEvent = NonNullable<Parameters<typeof runHealth>[1]>[number];

/** Half a second past `seconds`. */
const time = (seconds: number) =>
  ({ seconds, nanos: 500_000_000 }) as unknown as NonNullable<HistoryEvent['eventTime']>;
const failed = (eventId: number, message: string): HistoryEvent => ({
  eventId: eventId as unknown as NonNullable<HistoryEvent['eventId']>,
  eventTime: time(eventId),
  workflowTaskFailedEventAttributes: {
    cause: WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
    failure: { message },
  },
});
const completed = (eventId: number): HistoryEvent => ({
  eventId: eventId as unknown as NonNullable<HistoryEvent['eventId']>,
  eventTime: time(eventId),
  workflowTaskCompletedEventAttributes: {},
});
const pending = (attempt: number): Description => ({
  pendingWorkflowTask: { attempt, scheduledTime: time(100) },
});

describe('the health of a run, read from its description', () => {
  test('a run without a pending task and without paused activities has no findings', () => {
    expect(runHealth({})).toEqual({ paused: [] });
    expect(runHealth({ pendingActivities: [{ activityId: 'power-on/a', attempt: 7 }] })).toEqual({
      paused: [],
    });
  });

  test('HEALTH-1: one failed workflow task is no finding, two in a row are', () => {
    expect(runHealth(pending(1)).workflowTask).toBeUndefined();
    expect(runHealth(pending(2)).workflowTask).toBeUndefined();
    expect(runHealth(pending(3)).workflowTask).toEqual({ attempt: 3, since: 100_500 });
  });

  test('the history has the cause, and since when', () => {
    const events = [failed(19, 'later'), failed(16, 'first'), completed(12), failed(5, 'long ago')];
    expect(runHealth(pending(40), events).workflowTask).toEqual({
      attempt: 40,
      since: 16_500,
      failure: { cause: 'WORKFLOW_WORKER_UNHANDLED_FAILURE', message: 'later' },
    });
    expect(runHealth(pending(40), [...events].reverse())).toEqual(runHealth(pending(40), events));
  });

  test('a task that timed out has no failure', () => {
    const timedOut: HistoryEvent = {
      eventId: 19 as unknown as NonNullable<HistoryEvent['eventId']>,
      eventTime: time(19),
      workflowTaskTimedOutEventAttributes: {},
    };
    expect(runHealth(pending(4), [timedOut, completed(12)]).workflowTask).toEqual({
      attempt: 4,
      since: 19_500,
    });
  });

  test('paused activities are named with who paused them, when, and why', () => {
    const by = (identity: string, reason: string) => ({ pauseTime: time(7), manual: { identity, reason } });
    const { paused } = runHealth({
      pendingActivities: [
        {
          activityId: 'power-on/b',
          activityType: { name: 'powerOn' },
          paused: true,
          pauseInfo: by('bob', 'host'),
        },
        { activityId: 'power-on/c', activityType: { name: 'powerOn' } },
        {
          activityId: 'place/web',
          activityType: { name: 'place' },
          paused: true,
          pauseInfo: { pauseTime: time(8), rule: { ruleId: 'freeze', identity: 'carol', reason: 'audit' } },
        },
      ],
    });
    expect(paused).toEqual([
      { activityId: 'place/web', activityType: 'place', at: 8_500, by: 'rule freeze', reason: 'audit' },
      { activityId: 'power-on/b', activityType: 'powerOn', at: 7_500, by: 'bob', reason: 'host' },
    ]);
  });

  test('a server that says nothing of a pause but that there is one', () => {
    expect(runHealth({ pendingActivities: [{ activityId: 'power-on/b', paused: true }] }).paused).toEqual([
      { activityId: 'power-on/b', activityType: '', at: 0, by: '', reason: '' },
    ]);
  });

  test('a run that is paused as a whole', () => {
    const pauseInfo = { identity: 'bob', pausedTime: time(9), reason: 'audit' };
    expect(runHealth({ workflowExtendedInfo: { pauseInfo } }).pausedRun).toEqual({
      at: 9_500,
      by: 'bob',
      reason: 'audit',
    });
  });

  test('HEALTH-2: texts from outside are shortened, and no character is cut in two', () => {
    const long = '🙂'.repeat(3_000);
    const { workflowTask } = runHealth(pending(9), [failed(3, long)]);
    expect(workflowTask?.failure?.message).toBe(`${'🙂'.repeat(63)}...`);
    const { paused } = runHealth({
      pendingActivities: [
        { activityId: 'a', paused: true, pauseInfo: { manual: { identity: long, reason: long } } },
      ],
    });
    expect(paused[0]?.reason).toBe(`${'🙂'.repeat(63)}...`);
    expect(paused[0]?.by).toBe(paused[0]?.reason);
  });
});
