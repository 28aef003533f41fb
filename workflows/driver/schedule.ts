/** How the activities of a run are scheduled. */
import {
  ActivityCancellationType,
  ActivityFailure,
  ApplicationFailure,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import { platformTaskQueue, type Activities, type PowerInput } from '../../contract';
import type { AnswerStart } from '../answers';
import { workOf, type Start } from '../planner';
import { readFailure } from '../results';
import type { OperationFailure } from '../state';

/** Milliseconds without a heartbeat after which an attempt counts as lost, and another worker takes it over. */
const HEARTBEAT_TIMEOUT = 5_000;
/** Milliseconds that one attempt of a placement may take. */
const PLACE_TIMEOUT = 600_000;
/** Milliseconds that all attempts of an activity may take together that only the end of a run waits for, also if no worker takes them. */
const LAST_TIMEOUT = 15_000;
/** A nested group may wait for an operator for a long time; milliseconds. */
const GROUP_TIMEOUT = 365 * 86_400_000;

/** Milliseconds that one search for nested runs that have ended may take. */
const FIND_TIMEOUT = 30_000;

/** Milliseconds that all attempts to give an answer may take: an operator waits for it. */
const ANSWER_TIMEOUT = 12_000;

interface Named {
  activityId: string;
  summary: string;
  taskQueue?: string;
}

/** Times of one attempt and of all together, in milliseconds; absent: no limit. */
interface Limits {
  startToCloseTimeout: number;
  scheduleToCloseTimeout?: number;
  /** Default {@link HEARTBEAT_TIMEOUT}. */
  heartbeatTimeout?: undefined;
}

/** Schedules an activity; resolves with its result, which may be anything. */
export function schedule(start: Start): Promise<unknown> {
  const activities = proxy(namedOf(start), limitsOf(start));
  switch (start.activity) {
    case 'confirm':
      return activities.confirm(start.input);
    case 'place':
      return activities.place(start.input);
    case 'release':
      return activities.release(start.input);
    case 'powerGroup':
    case 'awaitGroup':
      return activities[start.activity](start.input);
    case 'findEndedGroups':
      return activities.findEndedGroups(start.input);
    case 'powerOn':
    case 'powerOff':
    case 'suspend':
      return activities[start.activity](start.input);
  }
}

/** Schedules the activity that gives an operator's answer to the platform. */
export function scheduleAnswer(start: AnswerStart): Promise<unknown> {
  const limits = {
    startToCloseTimeout: ANSWER_TIMEOUT,
    scheduleToCloseTimeout: ANSWER_TIMEOUT,
    heartbeatTimeout: undefined,
  };
  return proxy(namedOf(start), limits).answer(start.input);
}

/** How an activity is named, and whose workers take it. */
function namedOf({
  activityId,
  summary,
  platform,
}: Pick<Start, 'activityId' | 'summary' | 'platform'>): Named {
  const taskQueue =
    platform === undefined ? undefined : platformTaskQueue(workflowInfo().taskQueue, platform);
  return { activityId, summary, ...(taskQueue !== undefined && { taskQueue }) };
}

/** Schedules the activity that reads from the history who cancelled the run. */
export function scheduleCancellation(): Promise<unknown> {
  const named = { activityId: 'cancellation', summary: 'find out who cancelled the run' };
  return proxy(named, {
    startToCloseTimeout: LAST_TIMEOUT,
    scheduleToCloseTimeout: LAST_TIMEOUT,
  }).cancellation();
}

function limitsOf(start: Start): Limits {
  const work = workOf(start);
  switch (work.activity) {
    case 'place':
      return { startToCloseTimeout: PLACE_TIMEOUT };
    case 'release':
      return { startToCloseTimeout: LAST_TIMEOUT, scheduleToCloseTimeout: LAST_TIMEOUT };
    case 'powerGroup':
      return { startToCloseTimeout: GROUP_TIMEOUT };
    case 'findEndedGroups':
      return { startToCloseTimeout: FIND_TIMEOUT, heartbeatTimeout: undefined };
    case 'powerOn':
    case 'powerOff':
    case 'suspend':
      return { startToCloseTimeout: powerTimeout(work.input) };
  }
}

/** The activity keeps these times itself; this is only the backstop. Milliseconds. */
function powerTimeout({ operationTimeout, gateTimeout, guestShutdownTimeout }: PowerInput): number {
  return operationTimeout + gateTimeout + guestShutdownTimeout + 60_000;
}

function proxy(named: Named, limits: Limits): Activities {
  return proxyActivities<Activities>({
    heartbeatTimeout: HEARTBEAT_TIMEOUT,
    // A newer operation outranks an older one on the platform, so nothing has to wait for the old one to notice.
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    // The budget is counted by the activity, which sets each pause; the policy here rules only attempts that were lost with their worker.
    retry: { initialInterval: '1s', backoffCoefficient: 1 },
    ...limits,
    ...named,
  });
}

/** What an activity's last failure says. */
export function failureOf(error: unknown): OperationFailure {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) return readFailure(cause.type, cause.message, cause.details?.[0]);
  return readFailure('Error', cause instanceof Error ? cause.message : String(cause), undefined);
}
