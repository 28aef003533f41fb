/**
 * What Temporal knows of the runs of groups: looks each up once, follows those that are open, and sends to them.
 *
 * G1: a run that ends is always noticed: its result is waited for, again and again while the server is away.
 * G2: a run that nobody has looked up yet is unknown, not absent.
 * G3: following a run takes no more memory the longer it is open.
 */
import {
  type Client,
  WorkflowFailedError,
  type WorkflowHandle,
  WorkflowNotFoundError,
} from '@temporalio/client';
import {
  applyPlan,
  progress as progressQuery,
  startOptions,
  withdraw as withdrawSignal,
  workflowId,
  WORKFLOW_TYPE,
  type PlanMessage,
  type RunOutcome,
  type RunStart,
} from '../workflows/messages';
import { objectKey, type ObjectKey } from './manifest-index';
import type { RunState } from './reconcile';

/** Names one group. */
export interface GroupName {
  namespace: string;
  name: string;
}

/** The runs of all groups. */
export interface GroupRuns {
  /** What is known of the last run; undefined: nobody has looked yet (G2). */
  get(group: GroupName): RunState | undefined;
  /** Asks the server for the last run. Rejects where the server does not answer. */
  lookUp(group: GroupName): Promise<void>;
  /** Something changed: the open run's progress is worth a query soon. */
  poke(group: GroupName): void;
  /** Starts or signals the run of the plan's group; resolves to the id of the run that has it. */
  send(message: PlanMessage): Promise<string>;
  /** Tells an open run that its group is gone. */
  withdraw(group: GroupName, reason: string): Promise<void>;
  /** Whether the server answered the last call. */
  reachable(): boolean;
  /** Forgets a group. */
  forget(group: GroupName): void;
  stop(): Promise<void>;
}

/** What {@link groupRuns} needs. */
export interface GroupRunsOptions {
  client: Client;
  taskQueue: string;
  /** What is known of a group's last run from elsewhere, for a server that keeps closed runs for a while only. */
  remembered: (group: GroupName) => RunState;
  /** The state of a group's run changed. */
  onChange: (group: GroupName) => void;
  onReachable: (reachable: boolean, error?: unknown) => void;
}

/** Longest time that one call may take, milliseconds. */
const CALL_TIMEOUT = 5_000;
/** Longest time that a query may take: without a worker it takes this long each time. */
const QUERY_TIMEOUT = 3_000;
/** Milliseconds of one wait for a result; the next one follows. */
const RESULT_ROUND = 60_000;
/** Milliseconds between two queries of a run where nothing happens, and where something does. */
const QUERY_INTERVAL = 1_000;
const QUERY_GAP = 200;
/** The pause after a query is this many times as long as the query took, up to QUERY_INTERVAL. */
const QUERY_SHARE = 4;
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 2_000;

/** Follows one open run. */
interface Follower {
  runId: string;
  stop: AbortController;
  poke: () => void;
}

/** Makes the runs of all groups; follows nothing before it is asked. */
export function groupRuns(options: GroupRunsOptions): GroupRuns {
  const { client, taskQueue, remembered, onChange, onReachable } = options;
  const states = new Map<ObjectKey, RunState>();
  const followers = new Map<ObjectKey, Follower>();
  const tasks = new Set<Promise<void>>();
  let reachable = true;
  let stopped = false;

  async function call<T>(timeout: number, make: () => Promise<T>): Promise<T> {
    try {
      const result = await client.withDeadline(Date.now() + timeout, make);
      setReachable(true);
      return result;
    } catch (error: unknown) {
      setReachable(error instanceof WorkflowNotFoundError || error instanceof WorkflowFailedError, error);
      throw error;
    }
  }

  function setReachable(now: boolean, error?: unknown): void {
    if (now === reachable || stopped) return;
    reachable = now;
    onReachable(now, error);
  }

  function set(group: GroupName, state: RunState): void {
    const key = objectKey(group);
    const before = states.get(key);
    if (before && JSON.stringify(before) === JSON.stringify(state)) return;
    states.set(key, state);
    if (!stopped) onChange(group);
  }

  function handleOf(group: GroupName, runId?: string): WorkflowHandle {
    return client.workflow.getHandle(workflowId(group.namespace, group.name), runId);
  }

  async function lookUp(group: GroupName): Promise<void> {
    const known = states.get(objectKey(group));
    const follower = followers.get(objectKey(group));
    let described;
    try {
      described = await call(CALL_TIMEOUT, () => handleOf(group).describe());
    } catch (error: unknown) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      set(group, remembered(group));
      return;
    }
    const { runId, status, startTime, closeTime } = described;
    if (status.name === 'RUNNING' || status.name === 'PAUSED' || status.name === 'CONTINUED_AS_NEW') {
      if (!follower) open(group, runId, startTime.getTime());
      return;
    }
    if (follower || (known?.phase === 'Closed' && known.runId === runId)) return;
    const outcome = status.name === 'COMPLETED' ? await resultOf(group, runId) : undefined;
    set(group, {
      phase: 'Closed',
      runId,
      startedAt: outcome?.startedAt ?? startTime.getTime(),
      endedAt: outcome?.endedAt ?? closeTime?.getTime() ?? Date.now(),
      closedAs: status.name,
      ...(outcome && { outcome }),
    });
  }

  async function resultOf(group: GroupName, runId: string): Promise<RunOutcome> {
    return (await call(CALL_TIMEOUT, () => handleOf(group, runId).result())) as RunOutcome;
  }

  function open(group: GroupName, runId: string, startedAt: number): void {
    if (stopped) return;
    const key = objectKey(group);
    const follower: Follower = { runId, stop: new AbortController(), poke: () => undefined };
    followers.get(key)?.stop.abort();
    followers.set(key, follower);
    set(group, { phase: 'Open', runId, startedAt });
    track(awaitEnd(group, follower));
    track(watchProgress(group, follower));
  }

  function track(task: Promise<void>): void {
    tasks.add(task);
    void task.finally(() => tasks.delete(task));
  }

  /** G1. */
  async function awaitEnd(group: GroupName, follower: Follower): Promise<void> {
    const { signal } = follower.stop;
    await untilAnswered(signal, async () => {
      try {
        await untilEnded(group, follower.runId, signal);
      } catch (error: unknown) {
        const over = error instanceof WorkflowFailedError || error instanceof WorkflowNotFoundError;
        if (!over) {
          if (!signal.aborted) setReachable(false, error);
          throw error;
        }
      }
    });
    if (signal.aborted) return;
    follower.stop.abort();
    followers.delete(objectKey(group));
    await untilAnswered(closing.signal, () => lookUp(group));
  }

  /** Waits until a run has ended, whatever its outcome; in rounds (G3). */
  async function untilEnded(group: GroupName, runId: string, signal: AbortSignal): Promise<void> {
    const round = async (own: AbortSignal): Promise<boolean> => {
      try {
        await client.withAbortSignal(own, () => handleOf(group, runId).result());
        return true;
      } catch (error: unknown) {
        if (own.aborted && !signal.aborted) return false;
        throw error;
      }
    };
    while (!(await abortable(signal, round, RESULT_ROUND)));
  }

  /** Ends what waits for an answer when everything stops. */
  const closing = new AbortController();

  async function watchProgress(group: GroupName, follower: Follower): Promise<void> {
    const { signal } = follower.stop;
    while (!signal.aborted) {
      const before = Date.now();
      try {
        const progress = await client.withDeadline(before + QUERY_TIMEOUT, () =>
          abortable(signal, (own) => client.withAbortSignal(own, () => handleOf(group).query(progressQuery))),
        );
        const known = states.get(objectKey(group));
        if (!signal.aborted && known?.phase === 'Open') {
          set(group, { ...known, startedAt: progress.startedAt, progress });
        }
      } catch {
        // No worker, no plan yet, or no server: what is known stays, and the next query tells.
      }
      // A run with many members answers slowly: it is to spend its time on the members.
      const gap = Math.min(Math.max(QUERY_GAP, QUERY_SHARE * (Date.now() - before)), QUERY_INTERVAL);
      await pause(gap, signal);
      await Promise.race([
        pause(QUERY_INTERVAL - gap, signal),
        new Promise<void>((poked) => (follower.poke = poked)),
      ]);
    }
  }

  async function send(message: PlanMessage): Promise<string> {
    const { plan } = message;
    const handle = await call(CALL_TIMEOUT, () =>
      client.workflow.signalWithStart(WORKFLOW_TYPE, {
        ...startOptions(plan, taskQueue),
        args: [{ namespace: plan.namespace, name: plan.name } satisfies RunStart],
        signal: applyPlan,
        signalArgs: [message],
      }),
    );
    const follower = followers.get(objectKey(plan));
    if (follower) {
      follower.poke();
      return follower.runId;
    }
    open(plan, handle.signaledRunId, Date.now());
    return handle.signaledRunId;
  }

  async function withdraw(group: GroupName, reason: string): Promise<void> {
    try {
      await call(CALL_TIMEOUT, () => handleOf(group).signal(withdrawSignal, { reason }));
    } catch (error: unknown) {
      // It ended meanwhile: nothing to withdraw.
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
  }

  function forget(group: GroupName): void {
    const key = objectKey(group);
    followers.get(key)?.stop.abort();
    followers.delete(key);
    states.delete(key);
  }

  async function stop(): Promise<void> {
    stopped = true;
    closing.abort();
    for (const follower of followers.values()) follower.stop.abort();
    await Promise.all(tasks);
  }

  return {
    get: (group) => states.get(objectKey(group)),
    lookUp,
    poke: (group) => followers.get(objectKey(group))?.poke(),
    send,
    withdraw,
    reachable: () => reachable,
    forget,
    stop,
  };
}

/**
 * Does something under a signal of its own that aborts with `signal`, and after `longest` milliseconds. Temporal's client never takes its
 * listeners off a signal, and each holds on to its call: so no signal may live longer than a few calls (G3). `AbortSignal.any` would not do:
 * Node keeps what it makes for as long as there are listeners.
 */
async function abortable<T>(
  signal: AbortSignal,
  make: (own: AbortSignal) => Promise<T>,
  longest?: number,
): Promise<T> {
  const own = new AbortController();
  const abort = (): void => own.abort();
  // Raced too: a call that the client has tried again, after an outage, no longer hears of its signal.
  const aborted = new Promise<never>((_, reject) => {
    own.signal.addEventListener('abort', () => reject(new Error('the call was given up')), { once: true });
  });
  const timer = longest === undefined ? undefined : setTimeout(abort, longest);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  try {
    return await Promise.race([make(own.signal), aborted]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

/** Tries until it works or `signal` aborts, with a pause that doubles. */
async function untilAnswered(signal: AbortSignal, attempt: () => Promise<void>): Promise<void> {
  for (let wait = FIRST_PAUSE; !signal.aborted; wait = Math.min(wait * 2, LONGEST_PAUSE)) {
    try {
      await attempt();
      return;
    } catch {
      await pause(wait, signal);
    }
  }
}

/** Resolves after `time` milliseconds, or at once when `signal` aborts. */
async function pause(time: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((over) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      over();
    };
    const timer = setTimeout(done, time);
    signal.addEventListener('abort', done);
  });
}
