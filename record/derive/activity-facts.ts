/**
 * What a history says of the activities of one execution.
 *
 * RECORD-2: a failed attempt is on record once, whether the activity reported it by a signal, with its result, or both; and not again by an
 *     activity that takes over from an earlier execution.
 */
import { fieldsOf } from '../../api/unknown';
import type { MemberKey } from '../../contract';
import type {
  ActivityCancelled,
  ActivityCompleted,
  ActivityFailed,
  ActivityPaused,
  ActivityReset,
  ActivityScheduled,
  AttemptFailed,
  AttemptStarted,
  SignalReceived,
} from '../events';
import { read, shortText, type Allowed, type ReadAttempt } from './allowed';
import { platformOf, readResult, readTask } from './activity-values';
import { enumName, payloadValues, textOf, type Fields, type HistoryEvent } from './history';

interface KnownActivity {
  activityId: string;
  member?: MemberKey;
  /** Its activity type, that of the work behind a `confirm`. */
  work: string;
  failed: number;
}

/** Class of the mark that an operator's reset leaves among the attempts. */
const RESET = 'Reset';

/** The activities of one execution. */
export class ActivityFacts {
  readonly #byEvent = new Map<string, KnownActivity>();
  readonly #byId = new Map<string, KnownActivity>();
  readonly #reported = new Set<string>();
  readonly #taskQueue: string;

  /** `taskQueue`: that of the workflow. */
  constructor(taskQueue: string) {
    this.#taskQueue = taskQueue;
  }

  scheduled({ id, attributes }: HistoryEvent): ActivityScheduled[] {
    const activityId = shortText(attributes['activityId']) ?? '';
    const type = textOf(fieldsOf(attributes['activityType'])['name']);
    const { task, member, work, earlier } = readTask(type, payloadValues(attributes['input'])[0]);
    const known: KnownActivity = { activityId, ...(member !== undefined && { member }), work, failed: 0 };
    this.#byEvent.set(String(id), known);
    this.#byId.set(activityId, known);
    for (const attempt of earlier) this.#reported.add(attemptKey(activityId, attempt));
    const platform = platformOf(textOf(fieldsOf(attributes['taskQueue'])['name']), this.#taskQueue);
    return [
      { kind: 'ActivityScheduled', ...named(known), task, ...(platform !== undefined && { platform }) },
    ];
  }

  started({ attributes }: HistoryEvent): AttemptStarted[] {
    const attempt = Number(attributes['attempt']) || 1;
    return [
      {
        kind: 'AttemptStarted',
        ...named(this.#of(attributes)),
        attempt,
        worker: shortText(attributes['identity']) ?? '',
      },
    ];
  }

  completed({ attributes }: HistoryEvent): (AttemptFailed | ActivityReset | ActivityCompleted)[] {
    const known = this.#of(attributes);
    const value = payloadValues(attributes['result'])[0];
    const { result, failures } = readResult(known.work, value);
    return [...this.#unreported(known, failures), { kind: 'ActivityCompleted', ...named(known), result }];
  }

  failed({ attributes }: HistoryEvent): (AttemptFailed | ActivityReset | ActivityFailed)[] {
    const known = this.#of(attributes);
    const failure = fieldsOf(attributes['failure']);
    const details = payloadValues(fieldsOf(failure['applicationFailureInfo'])['details'])[0];
    const { failures = [], recorded } = read('giveUp', details) ?? {};
    const events = this.#unreported(known, failures);
    return [
      ...events,
      {
        kind: 'ActivityFailed',
        ...named(known),
        class: failureClass(failure),
        message: shortText(failure['message']) ?? '',
        attempts: known.failed,
        ...(recorded && { outrankedBy: recorded }),
      },
    ];
  }

  cancelled(kind: ActivityCancelled['kind'], { attributes }: HistoryEvent): ActivityCancelled[] {
    return [{ kind, ...named(this.#of(attributes)) }];
  }

  /** The signal of an activity that it will try again. */
  attemptReported(value: unknown): (AttemptFailed | ActivityReset)[] | undefined {
    const report = read('attemptFailed', value);
    if (!report) return undefined;
    const known = this.#byId.get(report.activityId) ?? { activityId: report.activityId, work: '', failed: 0 };
    return this.#unreported(known, [report.attempt]);
  }

  /** The bridge's signal that an activity was paused, or no longer is. */
  pauseReported(value: unknown): ActivityPaused[] | undefined {
    const report = read('activityPaused', value);
    if (!report) return undefined;
    const of = named(this.#byId.get(report.activityId) ?? { activityId: report.activityId });
    const { paused } = report;
    if (!paused) return [{ kind: 'ActivityUnpaused', ...of }];
    const { at, by, reason } = paused;
    return [{ kind: 'ActivityPaused', ...of, actor: { name: by, known: false }, reason, at }];
  }

  #unreported(known: KnownActivity, attempts: readonly ReadAttempt[]): (AttemptFailed | ActivityReset)[] {
    return attempts.flatMap((attempt): (AttemptFailed | ActivityReset)[] => {
      const key = attemptKey(known.activityId, attempt);
      if (this.#reported.has(key)) return [];
      this.#reported.add(key);
      if (attempt.class === RESET) return [{ kind: 'ActivityReset', ...named(known), at: attempt.at }];
      known.failed += 1;
      return [{ kind: 'AttemptFailed', ...named(known), ...attempt }];
    });
  }

  #of(attributes: Fields): KnownActivity {
    const id = textOf(attributes['scheduledEventId']);
    return this.#byEvent.get(id) ?? { activityId: '', work: '', failed: 0 };
  }
}

/** What a report that cannot be read says: only that it came. */
export function unreadSignal(name: string, identity: string | undefined): SignalReceived {
  return {
    kind: 'SignalReceived',
    name: shortText(name) ?? '',
    ...(identity !== undefined && { identity }),
    ignored: 'its argument cannot be read',
  };
}

/** Class of a failure: the type that the worker gave it, or what Temporal ended it by. */
export function failureClass(failure: Fields): string {
  const type = shortText(fieldsOf(failure['applicationFailureInfo'])['type']);
  if (type !== undefined) return type;
  const timeout = fieldsOf(failure['timeoutFailureInfo'])['timeoutType'];
  return timeout === undefined ? 'Error' : `Timeout/${enumName(timeout, 'TIMEOUT_TYPE_')}`;
}

function attemptKey(
  activityId: string,
  { attempt, at, class: type }: Allowed<'giveUp'>['failures'][number],
): string {
  return JSON.stringify([activityId, attempt, at, type]);
}

function named({ activityId, member }: Pick<KnownActivity, 'activityId' | 'member'>): {
  activityId: string;
  member?: MemberKey;
} {
  return { activityId, ...(member !== undefined && { member }) };
}
