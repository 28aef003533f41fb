/**
 * What Temporal knows of an open run that the run itself cannot report: a failing workflow task, and activities that were paused in Temporal.
 * Pure.
 *
 * HEALTH-1: a single failed or lost workflow task is not reported: Temporal repeats it, and each restart of a server or worker causes one.
 * HEALTH-2: every text from outside is shortened, so that findings fit wherever they are shown.
 */
import { temporal } from '@temporalio/proto';
import { fitText } from '../../api';
import type { FailingWorkflowTask, PausedActivity, RunHealth } from '../../insight';

type Description = temporal.api.workflowservice.v1.IDescribeWorkflowExecutionResponse;
type HistoryEvent = temporal.api.history.v1.IHistoryEvent;
type PendingActivity = temporal.api.workflow.v1.IPendingActivityInfo;
type Timestamp =
  { seconds?: { toString(): string } | number | null; nanos?: number | null } | null | undefined;

/** Attempts of a workflow task from which it counts as failing (HEALTH-1). A failing task gets there within about 5 s. */
const FAILING_ATTEMPT = 3;

/** Longest text of a finding, bytes (HEALTH-2). */
const LONGEST_TEXT = 256;

/** Whether the workflow task of a described run fails, so that its last events have to be read. */
export function isTaskFailing({ pendingWorkflowTask }: Description): boolean {
  return (pendingWorkflowTask?.attempt ?? 0) >= FAILING_ATTEMPT;
}

/**
 * Reads the findings from the answer of DescribeWorkflowExecution.
 *
 * @param events the last events of the history, in any order; they have the cause of a failing workflow task.
 */
export function runHealth(description: Description, events: readonly HistoryEvent[] = []): RunHealth {
  const paused = (description.pendingActivities ?? [])
    .filter((activity) => activity.paused)
    .map(pausedActivity)
    .sort((a, b) => (a.activityId < b.activityId ? -1 : 1));
  const pause = description.workflowExtendedInfo?.pauseInfo;
  return {
    ...(isTaskFailing(description) && { workflowTask: failingTask(description, events) }),
    paused,
    ...(pause && {
      pausedRun: {
        at: millisecondsOf(pause.pausedTime),
        by: shortened(pause.identity),
        reason: shortened(pause.reason),
      },
    }),
  };
}

function failingTask(
  { pendingWorkflowTask }: Description,
  events: readonly HistoryEvent[],
): FailingWorkflowTask {
  const { attempt, scheduledTime } = pendingWorkflowTask ?? {};
  const ends = [...events].sort((a, b) => Number(b.eventId ?? 0) - Number(a.eventId ?? 0)).filter(isTaskEnd);
  const healthy = ends.findIndex((event) => event.workflowTaskCompletedEventAttributes);
  const failures = healthy === -1 ? ends : ends.slice(0, healthy);
  const [last] = failures;
  const failed = last?.workflowTaskFailedEventAttributes;
  return {
    attempt: attempt ?? 0,
    since: millisecondsOf(failures.at(-1)?.eventTime ?? scheduledTime),
    ...(failed && {
      failure: {
        cause: causeName(failed.cause),
        message: shortened(failed.failure?.message),
      },
    }),
  };
}

function isTaskEnd(event: HistoryEvent): boolean {
  return Boolean(
    event.workflowTaskCompletedEventAttributes ??
    event.workflowTaskFailedEventAttributes ??
    event.workflowTaskTimedOutEventAttributes,
  );
}

function causeName(cause: temporal.api.enums.v1.WorkflowTaskFailedCause | null | undefined): string {
  const name = temporal.api.enums.v1.WorkflowTaskFailedCause[cause ?? 0] ?? 'UNSPECIFIED';
  return name.replace('WORKFLOW_TASK_FAILED_CAUSE_', '');
}

function pausedActivity({ activityId, activityType, pauseInfo }: PendingActivity): PausedActivity {
  const { manual, rule, pauseTime } = pauseInfo ?? {};
  return {
    activityId: activityId ?? '',
    activityType: activityType?.name ?? '',
    at: millisecondsOf(pauseTime),
    by: shortened(manual?.identity ?? (rule ? `rule ${rule.ruleId ?? ''}` : '')),
    reason: shortened(manual?.reason ?? rule?.reason),
  };
}

function shortened(text: string | null | undefined): string {
  return fitText(text ?? '', LONGEST_TEXT);
}

function millisecondsOf(time: Timestamp): number {
  return Number(time?.seconds?.toString() ?? 0) * 1000 + Math.floor((time?.nanos ?? 0) / 1e6);
}
