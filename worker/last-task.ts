/** What a history must have to be replayed: whole events, and a last workflow task that was completed. Pure. */
import { temporal } from '@temporalio/proto';

type History = temporal.api.history.v1.IHistory;
type HistoryEvent = temporal.api.history.v1.IHistoryEvent;

const { EventType } = temporal.api.enums.v1;
const {
  EVENT_TYPE_WORKFLOW_TASK_SCHEDULED: SCHEDULED,
  EVENT_TYPE_WORKFLOW_TASK_STARTED: STARTED,
  EVENT_TYPE_WORKFLOW_TASK_COMPLETED: COMPLETED,
  EVENT_TYPE_WORKFLOW_TASK_FAILED: FAILED,
  EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT: TIMED_OUT,
  EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: TERMINATED,
  EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: RUN_TIMED_OUT,
} = EventType;

const OF_TASKS: ReadonlySet<unknown> = new Set([SCHEDULED, STARTED, COMPLETED, FAILED, TIMED_OUT]);
const ENDED_FROM_OUTSIDE: ReadonlySet<unknown> = new Set([TERMINATED, RUN_TIMED_OUT]);
const AFTER_STARTED: ReadonlySet<unknown> = new Set([COMPLETED, FAILED, TIMED_OUT, ...ENDED_FROM_OUTSIDE]);

/** Why events are no history; undefined: they are one. */
export function faultOf(events: readonly HistoryEvent[]): string | undefined {
  if (!events[0]?.workflowExecutionStartedEventAttributes?.originalExecutionRunId)
    return 'the history does not begin with the start of a run';
  for (const [at, { eventId, eventType }] of events.entries()) {
    if (Number(eventId) !== at + 1) return `event ${at + 1} of the history has the id ${String(eventId)}`;
    const next = events[at + 1]?.eventType;
    if (eventType === STARTED && next !== undefined && next !== null && !AFTER_STARTED.has(next))
      return `event ${at + 2} of the history does not end the workflow task that event ${at + 1} starts`;
  }
  return undefined;
}

/**
 * The history with its last workflow task completed, as by a run that took no step in it. Replay reports a task that fails only if it was
 * completed: the run may be open, or wedged in that task, or have been terminated.
 */
export function withLastTask(history: History): History {
  const all = history.events ?? [];
  const last = all.findLast(({ eventType }) => OF_TASKS.has(eventType));
  const events = ENDED_FROM_OUTSIDE.has(all.at(-1)?.eventType) ? all.slice(0, -1) : [...all];
  if (events.length === 0 || last?.eventType === COMPLETED) return history;
  const add = (event: HistoryEvent): HistoryEvent => {
    const { eventId, eventTime } = events.at(-1) ?? {};
    const added = { eventId: eventId?.add(1) ?? null, eventTime: eventTime ?? null, ...event };
    events.push(added);
    return added;
  };
  const isOpen = last?.eventType === SCHEDULED || last?.eventType === STARTED;
  const task = isOpen ? last : add({ eventType: SCHEDULED, workflowTaskScheduledEventAttributes: {} });
  const scheduledEventId = task.workflowTaskStartedEventAttributes?.scheduledEventId ?? task.eventId ?? null;
  const start =
    task.eventType === STARTED
      ? task
      : add({ eventType: STARTED, workflowTaskStartedEventAttributes: { scheduledEventId } });
  add({
    eventType: COMPLETED,
    workflowTaskCompletedEventAttributes: { scheduledEventId, startedEventId: start.eventId ?? null },
  });
  return { events };
}
