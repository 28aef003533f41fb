/**
 * Attempts of one activity: the retry budget, and what one attempt hands to the next in its heartbeat.
 *
 * Temporal retries without limit, and this module counts: Temporal would count lost workers too, and keep only the last failure.
 *
 * ATTEMPT-1: an attempt that was lost with its worker is recorded (`WorkerLost`) and does not count against the budget.
 * ATTEMPT-2: resetting the pending activity gives a fresh budget and is recorded (`Reset`). Temporal itself does not record it.
 * ATTEMPT-3: a failed attempt is recorded before it ends: in the heartbeat, and by a signal to the run.
 * ATTEMPT-4: cancellation ends an attempt at once and does not count against the budget.
 */
import { ApplicationFailure, Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import type * as v from 'valibot';
import { fitText } from '../api/text';
import type { FailureClass } from '../platforms';
import { attemptFailed, type Attempt, type GiveUpDetails, type RetryBudget } from '../contract';
import { classify, NEXT_STEP, RESET, WORKER_LOST, type Failure } from './failures';
import { KEPT, readMemory, type Memory } from './heartbeat';

/** Milliseconds between two heartbeats; Temporal sends only some of them. */
const HEARTBEAT_INTERVAL = 1_000;
/** Milliseconds within which a failed attempt is reported to the run. */
const TELL_TIMEOUT = 3_000;
/** Longest pause before the next attempt, milliseconds: a wait that has no end costs some 100 attempts a day. */
const LONGEST_PAUSE = 15 * 60_000;
/** Bytes of what an attempt says it waits for. */
const WAIT_BYTES = 500;

/** What {@link inAttempts} needs besides the work. */
export interface AttemptOptions<P> {
  /** What is done, for messages: `power on prod/db`. */
  purpose: string;
  retry: RetryBudget;
  /** Failed attempts before the activity was scheduled. */
  earlier?: Attempt[];
  /** Classes that are retried without end. */
  endless?: readonly FailureClass[];
  /** Progress of the first attempt. */
  first: P;
  /** What the progress of an attempt looks like. */
  progress: v.GenericSchema<unknown, P>;
  /** Progress of the next attempt after a failure of this class, or after an operator's reset. */
  next?: (progress: P, after: FailureClass | 'Reset') => P;
  client?: Client | undefined;
}

/** One attempt, as its work sees it. */
export interface AttemptRun<P> {
  /** As the last attempt left it, or as this one noted it. */
  readonly progress: P;
  /** Failed attempts before this one. */
  readonly failures: Attempt[];
  /** Aborts on cancellation, also for a reset, a pause, or a worker that shuts down. */
  readonly signal: AbortSignal;
  /** Puts the progress on record for the attempt that may have to go on from here. */
  note(progress: P): void;
  /** Says what the attempt waits for, in words, or that it is nothing in particular; the next heartbeat has it. */
  waitFor(text: string | undefined): void;
}

/**
 * Does `work` as one attempt.
 *
 * @throws ApplicationFailure whose `type` is the class of the failure and whose details are {@link GiveUpDetails}: retryable with its
 *   own delay, or non-retryable where the budget is used up or no further attempt would help.
 * @throws CancelledFailure on cancellation.
 */
export async function inAttempts<P extends object, R>(
  options: AttemptOptions<P>,
  work: (run: AttemptRun<P>) => Promise<R>,
): Promise<R> {
  const context = Context.current();
  const began = Date.now();
  const memory = recall(options, context);
  const reset = memory.failures.at(-1);
  if (reset?.class === RESET && reset.at >= began) await tell(options, context, reset);
  const beat = (): void => context.heartbeat({ ...memory });
  // An operator may reset the activity before the first interval is over: the next attempt sees that by this beat.
  beat();
  const timer = setInterval(beat, HEARTBEAT_INTERVAL);
  try {
    return await work({
      get progress() {
        return memory.progress;
      },
      get failures() {
        return memory.failures;
      },
      signal: context.cancellationSignal,
      note: (progress) => {
        memory.progress = progress;
        beat();
      },
      waitFor: (text) => {
        if (text === undefined) delete memory.waitsFor;
        else memory.waitsFor = fitText(text, WAIT_BYTES);
      },
    });
  } catch (error: unknown) {
    if (context.cancellationSignal.aborted) {
      memory.ended = context.cancellationDetails?.reset ? 'Reset' : 'Cancelled';
      beat();
      return await context.cancelled;
    }
    throw await failed(options, memory, classify(error), context);
  } finally {
    clearInterval(timer);
  }
}

/** What this attempt begins with. */
function recall<P>(options: AttemptOptions<P>, { info, log }: Context): Memory<P> {
  const { earlier = [], first, next, purpose } = options;
  const last = readMemory(info.heartbeatDetails, options.progress);
  if (!last && info.heartbeatDetails)
    log.warn('ignored the heartbeat of the last attempt, which cannot be read', { purpose });
  if (!last) {
    return withLost(
      { attempt: info.attempt, failures: earlier, spent: countable(earlier), progress: first },
      info.attempt - 1,
    );
  }
  const { failures, progress } = last;
  // Temporal's number never falls, and is never given twice, but by a reset.
  if (last.ended === 'Reset' || info.attempt <= last.attempt) {
    const reset = { attempt: 0, at: Date.now(), class: RESET, message: 'an operator has reset the activity' };
    return {
      attempt: info.attempt,
      failures: [...failures, reset].slice(-KEPT),
      spent: 0,
      progress: next?.(progress, 'Reset') ?? progress,
    };
  }
  const lost = info.attempt - last.attempt - (last.ended === undefined ? 0 : 1);
  return withLost({ attempt: info.attempt, failures, spent: last.spent, progress }, lost);
}

function withLost<P>(memory: Memory<P>, lost: number): Memory<P> {
  const entries = Array.from({ length: Math.min(lost, KEPT) }, () => ({
    attempt: memory.spent + 1,
    at: Date.now(),
    class: WORKER_LOST,
    message: 'the worker of this attempt died or lost its connection to Temporal; another worker took over',
  }));
  return { ...memory, failures: [...memory.failures, ...entries].slice(-KEPT) };
}

/** How much of the budget is spent: the number of the last attempt that counts, since earlier ones may not be kept. */
function countable(failures: readonly Attempt[]): number {
  const since = failures.findLastIndex((failure) => failure.class === RESET) + 1;
  const counted = failures.slice(since).filter((failure) => failure.class !== WORKER_LOST);
  return Math.max(counted.length, counted.at(-1)?.attempt ?? 0);
}

/** Puts a failed attempt on record (ATTEMPT-3) and returns what the activity is to throw. */
async function failed<P extends object>(
  options: AttemptOptions<P>,
  memory: Memory<P>,
  failure: Failure,
  context: Context,
): Promise<ApplicationFailure> {
  const { retry, endless, next } = options;
  const isEndless = endless?.includes(failure.class) === true;
  const number = (isEndless ? countable(memory.failures) : memory.spent) + 1;
  const over = NEXT_STEP[failure.class] === 'Never' || (!isEndless && number >= retry.maximumAttempts);
  const delay = isEndless ? endlessPause(retry, failure, number) : pause(retry, failure, number);
  const of = isEndless ? `${number}` : `${number} of ${retry.maximumAttempts}`;
  const message = `${options.purpose}: attempt ${of}: ${failure.message}`;
  const at = Date.now();
  const attempt: Attempt = {
    attempt: number,
    at,
    class: failure.class,
    message: failure.message,
    ...(!over && { retryAt: at + delay }),
  };
  memory.ended = 'Failed';
  memory.failures = [...memory.failures, attempt].slice(-KEPT);
  if (!isEndless) memory.spent = number;
  memory.progress = next?.(memory.progress, failure.class) ?? memory.progress;
  context.heartbeat({ ...memory });
  // The last failure reaches the run with the end of the activity.
  if (!over) await tell(options, context, attempt);
  const { recorded } = failure;
  const details: [GiveUpDetails] = [{ failures: memory.failures, ...(recorded && { recorded }) }];
  return ApplicationFailure.create({
    message,
    type: failure.class,
    details,
    nonRetryable: over,
    ...(!over && { nextRetryDelay: delay }),
    ...(failure.cause && { cause: failure.cause }),
  });
}

/** Milliseconds before the next attempt. */
function pause({ initialInterval, maximumInterval }: RetryBudget, failure: Failure, number: number): number {
  const backOff = Math.min(initialInterval * 2 ** Math.min(number - 1, 30), maximumInterval);
  if (NEXT_STEP[failure.class] !== 'RetryAfter' || failure.retryAfter === undefined) return backOff;
  return Math.min(failure.retryAfter, LONGEST_PAUSE);
}

/** As {@link pause}; once the budget is spent the pauses grow beyond its longest one. */
function endlessPause(retry: RetryBudget, failure: Failure, number: number): number {
  const beyond = Math.max(0, number - retry.maximumAttempts);
  const longest = Math.max(
    retry.maximumInterval,
    Math.min(LONGEST_PAUSE, retry.maximumInterval * 2 ** Math.min(beyond, 30)),
  );
  return pause({ ...retry, maximumInterval: longest }, failure, number);
}

/** Reports a failed attempt that will be retried, or a reset, to the run; never fails the activity. */
async function tell<P>(
  { client: given, purpose }: AttemptOptions<P>,
  context: Context,
  attempt: Attempt,
): Promise<void> {
  const { info } = context;
  if (!info.workflowExecution) return;
  const { workflowId, runId } = info.workflowExecution;
  try {
    const client = given ?? context.client;
    const handle = client.workflow.getHandle(workflowId, runId);
    await client.withDeadline(Date.now() + TELL_TIMEOUT, () =>
      handle.signal(attemptFailed, { activityId: info.activityId, attempt }),
    );
  } catch (error: unknown) {
    context.log.warn('failed to report a failed attempt to the run', { purpose, error, failed: attempt });
  }
}
