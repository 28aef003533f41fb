/**
 * The options of open activities, which Temporal shows and keeps in no history. Pure.
 *
 * Pauses and resets of activities are in the history: the bridge and the activities report them by signals.
 */
import type { temporal } from '@temporalio/proto';
import { fitText } from '../../api';
import type { ActivityOptionsChanged } from '../events';

/** The answer of DescribeWorkflowExecution. */
export type Described = temporal.api.workflowservice.v1.IDescribeWorkflowExecutionResponse;
type Options = temporal.api.activity.v1.IActivityOptions;
type Seconds = { seconds?: { toString(): string } | number | null; nanos?: number | null } | null | undefined;

/** Options of activities by id: durations in milliseconds. */
export type ActivityOptions = ReadonlyMap<string, ActivityOptionsChanged['options']>;

const TEXT_BYTES = 400;

/** The options of the open activities of an execution. */
export function activityOptions({ pendingActivities }: Described): ActivityOptions {
  return new Map(
    (pendingActivities ?? []).flatMap(({ activityId, activityOptions }) =>
      activityOptions ? [[fitText(activityId ?? '', TEXT_BYTES), optionsOf(activityOptions)] as const] : [],
    ),
  );
}

/** The activities whose options differ from the last look; those that were not open then are new. */
export function changedOptions(before: ActivityOptions, now: ActivityOptions): ActivityOptionsChanged[] {
  return [...now].flatMap(([activityId, options]): ActivityOptionsChanged[] => {
    const known = before.get(activityId);
    if (!known || JSON.stringify(known) === JSON.stringify(options)) return [];
    return [{ kind: 'ActivityOptionsChanged', activityId, options }];
  });
}

function optionsOf({ taskQueue, retryPolicy: retry, ...times }: Options): ActivityOptionsChanged['options'] {
  const entries: [string, number | string | null | undefined][] = [
    ['taskQueue', taskQueue?.name && fitText(taskQueue.name, TEXT_BYTES)],
    ['scheduleToCloseTimeout', millisecondsOf(times.scheduleToCloseTimeout)],
    ['scheduleToStartTimeout', millisecondsOf(times.scheduleToStartTimeout)],
    ['startToCloseTimeout', millisecondsOf(times.startToCloseTimeout)],
    ['heartbeatTimeout', millisecondsOf(times.heartbeatTimeout)],
    ['initialInterval', millisecondsOf(retry?.initialInterval)],
    ['maximumInterval', millisecondsOf(retry?.maximumInterval)],
    ['backoffCoefficient', retry?.backoffCoefficient],
    ['maximumAttempts', retry?.maximumAttempts],
  ];
  return Object.fromEntries(
    entries.filter((each): each is [string, number | string] => each[1] !== undefined && each[1] !== null),
  );
}

function millisecondsOf(time: Seconds): number | undefined {
  if (!time) return undefined;
  return Number(time.seconds?.toString() ?? 0) * 1000 + Math.floor((time.nanos ?? 0) / 1e6);
}
