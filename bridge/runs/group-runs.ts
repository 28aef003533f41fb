/**
 * What Temporal knows of the runs of groups: looks each up once, follows those that are open, and sends to them.
 *
 * RUNS-1: a run that nobody has looked up yet is unknown, not absent.
 * RUNS-2: an answer about a group's run that was asked for before another run of it was opened, or before the group was forgotten, says
 *     nothing: a run that was found or started later is never overwritten.
 * RUNS-3: a run is withdrawn once: the server keeps the signal until a worker takes it.
 * RUNS-4: a run is told of paused activities once it has answered everything that it was sent, and of each change once.
 * RUNS-5: whether the server answers is known also while there is nothing to ask it.
 */
import type { ObjectName } from '../../api';
import type { PausedBy, PlanMessage } from '../../contract';
import { objectKey, type ObjectKey } from '../manifests';
import { pauseReports } from './pauses';
import type { RunState } from './run-state';
import { followRun, type RunFollower } from './run-follower';
import { isUnanswered, type DescribedRun, type TemporalRuns } from './temporal-runs';

/** The runs of all groups. */
export interface GroupRuns {
  /** What is known of the last run; undefined: nobody has looked yet (RUNS-1). */
  get(group: ObjectName): RunState | undefined;
  /** Asks the server for the last run, unless an open one is followed already. Rejects where the server does not answer. */
  lookUp(group: ObjectName): Promise<void>;
  /** Starts or signals the run of the plan's group; resolves to the id of the run that has it. */
  send(message: PlanMessage): Promise<string>;
  /** Tells an open run that its group is gone (RUNS-3). */
  withdraw(group: ObjectName, reason: string): Promise<void>;
  /** Tells an open run of each activity that was paused or unpaused since it was told (RUNS-4). */
  reportPauses(group: ObjectName): Promise<void>;
  /** Whether the server answered the last call. */
  reachable(): boolean;
  /** Forgets a group. */
  forget(group: ObjectName): void;
  /** Forgets every group: another process looks after them. */
  forgetAll(): void;
  stop(): Promise<void>;
}

/** What {@link groupRuns} needs. */
export interface GroupRunsOptions {
  temporal: TemporalRuns;
  /** What is known of a group's last run from elsewhere, for a server that keeps closed runs for a while only. */
  remembered: (group: ObjectName) => RunState;
  /** A run that is followed changed, or ended. */
  onChange: (group: ObjectName) => void;
  onReachable: (reachable: boolean, error?: unknown) => void;
}

/** Milliseconds between two looks whether the server answers. */
const PING_INTERVAL = 5_000;
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 2_000;

/** What is known of one group. */
interface Entry {
  /** Unless a run is followed. */
  state?: RunState;
  follower?: RunFollower;
  /** The run that was withdrawn last, and was not sent a plan since. */
  withdrawn?: string;
  /** What the run that is followed was told of paused activities, by activity id. */
  pauses?: Map<string, PausedBy | null>;
}

/** Makes the runs of all groups; follows nothing before it is asked. */
export function groupRuns(options: GroupRunsOptions): GroupRuns {
  return new Runs(options);
}

class Runs implements GroupRuns {
  readonly #options: GroupRunsOptions;
  readonly #entries = new Map<ObjectKey, Entry>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #reachable = true;

  constructor(options: GroupRunsOptions) {
    this.#options = options;
    this.#track(this.#watchServer());
  }

  get(group: ObjectName): RunState | undefined {
    const entry = this.#entries.get(objectKey(group));
    const { follower } = entry ?? {};
    return follower ? { phase: 'Open', runId: follower.runId, ...follower.state() } : entry?.state;
  }

  async lookUp(group: ObjectName): Promise<void> {
    const entry = this.#entryOf(group);
    if (entry.follower) return;
    const found = await this.#call(() => this.#options.temporal.describe(group));
    const state = found?.open
      ? undefined
      : await this.#closedState(group, entry, found, entry.state !== undefined);
    // RUNS-2.
    if (entry.follower || this.#entries.get(objectKey(group)) !== entry) return;
    if (found?.open) this.#open(group, entry, found.runId, found.startedAt, found);
    else if (state) entry.state = state;
  }

  /** `witnessed`: the group has been followed before. */
  async #closedState(
    group: ObjectName,
    entry: Entry,
    found: DescribedRun | undefined,
    witnessed: boolean,
  ): Promise<RunState> {
    if (!found) return this.#options.remembered(group);
    const { runId, startedAt, closedAt, status } = found;
    if (entry.state?.phase === 'Closed' && entry.state.runId === runId) return entry.state;
    const outcome =
      status === 'COMPLETED'
        ? await this.#call(() => this.#options.temporal.outcome(group, runId))
        : undefined;
    return {
      phase: 'Closed',
      runId,
      startedAt: outcome?.startedAt ?? startedAt,
      endedAt: outcome?.endedAt ?? closedAt ?? Date.now(),
      learnedAt: performance.now(),
      ...(witnessed && { witnessed: true as const }),
      closedAs: status,
      ...(outcome && { outcome }),
    };
  }

  async send(message: PlanMessage): Promise<string> {
    const { plan } = message;
    const runId = await this.#call(() => this.#options.temporal.send(message));
    const entry = this.#entryOf(plan);
    const { follower } = entry;
    // A plan calls a withdrawal off.
    delete entry.withdrawn;
    if (follower && (await this.#isOf(follower, plan, runId))) {
      follower.sent();
      return follower.runId;
    }
    this.#open(plan, entry, runId, Date.now());
    return runId;
  }

  /** Whether an execution is one of the run that is followed: it may have continued as new a moment ago, or have ended. */
  async #isOf(follower: RunFollower, group: ObjectName, executionId: string): Promise<boolean> {
    if (follower.has(executionId)) return true;
    const found = await this.#call(() => this.#options.temporal.describe(group)).catch(() => undefined);
    return found?.runId === executionId && found.firstRunId === follower.firstRunId;
  }

  async withdraw(group: ObjectName, reason: string): Promise<void> {
    const { follower, withdrawn } = this.#entryOf(group);
    if (!follower || withdrawn === follower.runId) return;
    await this.#call(() => this.#options.temporal.withdraw(group, reason));
    this.#entryOf(group).withdrawn = follower.runId;
  }

  async reportPauses(group: ObjectName): Promise<void> {
    const entry = this.#entryOf(group);
    const { progress, unheard, health } = entry.follower?.state() ?? {};
    if (!progress || unheard) return;
    const told = entry.pauses ?? new Map<string, PausedBy | null>();
    entry.pauses = told;
    for (const report of pauseReports(health, progress, told)) {
      await this.#call(() => this.#options.temporal.reportPause(group, report));
      told.set(report.activityId, report.paused);
    }
  }

  reachable(): boolean {
    return this.#reachable;
  }

  forget(group: ObjectName): void {
    const key = objectKey(group);
    this.#entries.get(key)?.follower?.stop();
    this.#entries.delete(key);
  }

  forgetAll(): void {
    for (const { follower } of this.#entries.values()) follower?.stop();
    this.#entries.clear();
  }

  async stop(): Promise<void> {
    this.#closing.abort();
    for (const { follower } of this.#entries.values()) follower?.stop();
    await Promise.all(this.#tasks);
  }

  #entryOf(group: ObjectName): Entry {
    const key = objectKey(group);
    const entry = this.#entries.get(key) ?? {};
    this.#entries.set(key, entry);
    return entry;
  }

  #open(group: ObjectName, entry: Entry, runId: string, startedAt: number, described?: DescribedRun): void {
    if (this.#closing.signal.aborted) return;
    entry.follower?.stop();
    const follower = followRun({
      temporal: this.#options.temporal,
      group,
      runId,
      startedAt,
      ...(described && { described }),
      onChange: () => this.#options.onChange(group),
      onOver: () => this.#track(this.#over(group, entry, runId)),
      onReachable: (reachable, error) => this.#setReachable(reachable, error),
    });
    delete entry.state;
    delete entry.pauses;
    entry.follower = follower;
    this.#track(follower.done);
  }

  /** Looks how a run ended; until that is known it counts as open. */
  async #over(group: ObjectName, entry: Entry, runId: string): Promise<void> {
    const { signal } = this.#closing;
    const isMine = (): boolean =>
      !signal.aborted && entry.follower?.runId === runId && this.#entries.get(objectKey(group)) === entry;
    for (let wait = FIRST_PAUSE; isMine(); wait = Math.min(wait * 2, LONGEST_PAUSE)) {
      try {
        const found = await this.#call(() => this.#options.temporal.describe(group));
        const state = found?.open ? undefined : await this.#closedState(group, entry, found, true);
        if (!isMine()) return;
        if (found?.open) {
          this.#open(group, entry, found.runId, found.startedAt, found);
        } else if (state) {
          delete entry.follower;
          entry.state = state;
        }
        return this.#options.onChange(group);
      } catch {
        await pause(wait, signal);
      }
    }
  }

  /** RUNS-5. */
  async #watchServer(): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      await pause(PING_INTERVAL, signal);
      if (signal.aborted) return;
      await this.#call(() => this.#options.temporal.ping()).catch(() => undefined);
    }
  }

  #track(task: Promise<void>): void {
    this.#tasks.add(task);
    void task.finally(() => this.#tasks.delete(task));
  }

  async #call<T>(make: () => Promise<T>): Promise<T> {
    try {
      const result = await make();
      this.#setReachable(true);
      return result;
    } catch (error: unknown) {
      this.#setReachable(false, error);
      throw error;
    }
  }

  #setReachable(answered: boolean, error?: unknown): void {
    const reachable = answered || !isUnanswered(error);
    if (reachable === this.#reachable || this.#closing.signal.aborted) return;
    this.#reachable = reachable;
    this.#options.onReachable(reachable, error);
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
