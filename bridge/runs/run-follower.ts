/**
 * Follows one open run: learns of its end, its progress and its health.
 *
 * FOLLOW-1: the end of a run is always noticed: its events are waited for, again and again while the server is away.
 * FOLLOW-2: a run in which nothing happens costs no billable action: it is queried only after it completed a workflow task or was sent a
 *     message. What does not answer is probed without cost until it does.
 * FOLLOW-3: following a run takes no more memory the longer it is open.
 */
import type { ObjectName } from '../../api';
import type { RunHealth } from './run-health';
import type { FollowedRun } from './run-state';
import type { DescribedRun, TemporalRuns } from './temporal-runs';

/** What {@link followRun} needs. */
export interface RunFollowerOptions {
  temporal: TemporalRuns;
  group: ObjectName;
  /** The execution to begin with. */
  runId: string;
  startedAt: number;
  /** What was described, if the run was found and not started. */
  described?: DescribedRun;
  onChange: () => void;
  /** The run is over. Not called after {@link RunFollower.stop}. */
  onOver: () => void;
  /** Called after each call that tells whether the server answers. */
  onReachable: (reachable: boolean, error?: unknown) => void;
}

/** A run that is being followed. */
export interface RunFollower {
  readonly runId: string;
  readonly firstRunId: string;
  /** Whether an execution is one of this run: a run that continues as new goes on in another one. */
  has(executionId: string): boolean;
  state(): FollowedRun;
  /** To be called after each message that was sent to the run. */
  sent(): void;
  stop(): void;
  /** Resolves once nothing is asked any more. */
  readonly done: Promise<void>;
}

/** Milliseconds between two queries of a run, at least and at most; in between as many times as long as the last query took. */
const QUERY_GAP = 200;
const LONGEST_QUERY_GAP = 1_000;
const QUERY_SHARE = 4;
/** Milliseconds until a run that did not answer is probed again; doubles. */
const FIRST_PROBE = 1_000;
const LONGEST_PROBE = 30_000;
/** Milliseconds between two descriptions of a run: doubles while they say the same. Only they tell of paused activities. */
const FIRST_DESCRIPTION = 1_000;
const LONGEST_DESCRIPTION = 60_000;
const LONGEST_DESCRIPTION_BUSY = 20_000;
/** Milliseconds in which events are gathered, and until events are asked for again after an answer without any. */
const GATHER = 50;
const EMPTY_PAUSE = 1_000;
/** Milliseconds after an error; doubles. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 2_000;

/** Starts to follow a run. */
export function followRun(options: RunFollowerOptions): RunFollower {
  return new Follower(options);
}

class Follower implements RunFollower {
  readonly runId: string;
  readonly firstRunId: string;
  readonly done: Promise<void>;
  readonly #options: RunFollowerOptions;
  readonly #stop = new AbortController();
  #execution: string;
  #state: FollowedRun;
  /** Messages that were sent. */
  #messages: number;
  /** When the run is queried and described next, by the process's own clock. */
  #queryAt = now();
  #describeAt: number;
  /** Asked for while a query is under way. */
  #queryAgain = false;
  #querying = false;
  #lastQuery = { end: -Infinity, gap: QUERY_GAP };
  /** Milliseconds until the next probe; undefined: the run answered the last time. */
  #probe: number | undefined;
  #descriptionPause = FIRST_DESCRIPTION;
  #pendingActivities: number;
  #wake: () => void = () => undefined;

  constructor(options: RunFollowerOptions) {
    const { runId, startedAt, described } = options;
    this.#options = options;
    this.runId = runId;
    this.firstRunId = described?.firstRunId ?? runId;
    this.#execution = runId;
    this.#messages = described ? 0 : 1;
    this.#state = {
      startedAt,
      ...(!described && { unheard: true as const }),
      ...(described && isUnwell(described.health) && { health: described.health }),
    };
    this.#pendingActivities = described?.pendingActivities ?? 0;
    this.#describeAt = now() + FIRST_DESCRIPTION;
    this.done = Promise.all([this.#followEvents(), this.#look()]).then(() => undefined);
  }

  has(executionId: string): boolean {
    return executionId === this.runId || executionId === this.#execution;
  }

  state(): FollowedRun {
    return this.#state;
  }

  sent(): void {
    this.#messages += 1;
    this.#set({ ...this.#state, unheard: true });
    this.#wantQuery();
  }

  stop(): void {
    this.#stop.abort();
  }

  get #stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  #set(next: FollowedRun): void {
    if (JSON.stringify(next) === JSON.stringify(this.#state)) return;
    this.#state = next;
    if (!this.#stopped) this.#options.onChange();
  }

  /** FOLLOW-1. */
  async #followEvents(): Promise<void> {
    const { temporal, group, onReachable, onOver } = this.#options;
    let from: Uint8Array | undefined;
    let wait = FIRST_PAUSE;
    while (!this.#stopped) {
      const asked = now();
      let events;
      try {
        events = await temporal.events(group, this.#execution, from, this.#stop.signal);
        if (this.#stopped) return;
        onReachable(true);
        if (wait > FIRST_PAUSE) this.#probeSoon();
        wait = FIRST_PAUSE;
      } catch (error: unknown) {
        if (this.#stopped) return;
        onReachable(false, error);
        await this.#pause(wait);
        wait = Math.min(wait * 2, LONGEST_PAUSE);
        continue;
      }
      const continuedAs = events?.closed?.continuedAs;
      if (!events || (events.closed && continuedAs === undefined)) {
        this.stop();
        return onOver();
      }
      if (events.changed) this.#changed();
      if (events.troubled) this.#describeSoon();
      if (continuedAs !== undefined) this.#execution = continuedAs;
      from = continuedAs === undefined ? events.next : undefined;
      await this.#pause(events.count === 0 && now() - asked < EMPTY_PAUSE ? EMPTY_PAUSE : GATHER);
    }
  }

  #changed(): void {
    this.#wantQuery();
    if (this.#state.health?.workflowTask) this.#describeSoon();
    // An activity may have been started that somebody pauses.
    this.#describeAt = Math.min(this.#describeAt, now() + LONGEST_DESCRIPTION_BUSY);
  }

  #wantQuery(): void {
    if (this.#querying) this.#queryAgain = true;
    // A run that does not answer is asked at its next probe.
    else if (this.#probe === undefined) {
      this.#queryAt = Math.min(this.#queryAt, Math.max(now(), this.#lastQuery.end + this.#lastQuery.gap));
    }
    this.#wake();
  }

  /** The server is back. */
  #probeSoon(): void {
    if (this.#probe === undefined) return;
    this.#probe = FIRST_PROBE;
    this.#queryAt = now();
    this.#wake();
  }

  #describeSoon(): void {
    this.#descriptionPause = FIRST_DESCRIPTION;
    this.#describeAt = Math.min(this.#describeAt, now() + FIRST_DESCRIPTION);
    this.#wake();
  }

  async #look(): Promise<void> {
    while (!this.#stopped) {
      if (this.#queryAt <= now()) await this.#query();
      else if (this.#describeAt <= now()) await this.#describe();
      else await this.#pause(Math.min(this.#queryAt, this.#describeAt) - now(), true);
    }
  }

  /** FOLLOW-2. */
  async #query(): Promise<void> {
    const { temporal, group } = this.#options;
    const { signal } = this.#stop;
    const begun = now();
    this.#querying = true;
    this.#queryAgain = false;
    this.#queryAt = Infinity;
    try {
      if (this.#probe !== undefined) await temporal.probe(group, signal);
      const heard = this.#messages;
      const progress = await temporal.progress(group, signal);
      this.#probe = undefined;
      if (!signal.aborted) {
        const { unheard: _unheard, ...rest } = this.#state;
        const late = heard !== this.#messages && { unheard: true as const };
        this.#set({ ...rest, progress, startedAt: progress.startedAt, ...late });
      }
    } catch {
      // No worker, a workflow task that fails, no plan yet, or no server: what is known stays.
      this.#probe = Math.min((this.#probe ?? FIRST_PROBE / 2) * 2, LONGEST_PROBE);
    }
    this.#querying = false;
    // A run with many members answers slowly: its worker is to spend its time on the members.
    const gap = Math.min(Math.max(QUERY_GAP, QUERY_SHARE * (now() - begun)), LONGEST_QUERY_GAP);
    this.#lastQuery = { end: now(), gap };
    if (this.#probe !== undefined) this.#queryAt = now() + this.#probe;
    else if (this.#queryAgain) this.#queryAt = now() + gap;
  }

  async #describe(): Promise<void> {
    const { temporal, group, onReachable } = this.#options;
    const before = JSON.stringify(this.#state.health);
    this.#describeAt = Infinity;
    try {
      const described = await temporal.describe(group);
      if (this.#stopped) return;
      onReachable(true);
      if (described && this.has(described.runId)) {
        this.#pendingActivities = described.pendingActivities;
        this.#setHealth(described.health);
      }
    } catch (error: unknown) {
      if (this.#stopped) return;
      onReachable(false, error);
    }
    const same = before === JSON.stringify(this.#state.health);
    const longest = this.#pendingActivities > 0 ? LONGEST_DESCRIPTION_BUSY : LONGEST_DESCRIPTION;
    this.#descriptionPause = same ? Math.min(this.#descriptionPause * 2, longest) : FIRST_DESCRIPTION;
    this.#describeAt = Math.min(this.#describeAt, now() + this.#descriptionPause);
  }

  #setHealth(health: RunHealth): void {
    const { health: _before, ...rest } = this.#state;
    this.#set(isUnwell(health) ? { ...rest, health } : rest);
  }

  /** Waits for `time` milliseconds, until everything stops, or with `wakes` until something is wanted. */
  async #pause(time: number, wakes = false): Promise<void> {
    if (this.#stopped) return;
    const { signal } = this.#stop;
    await new Promise<void>((over) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        if (wakes) this.#wake = () => undefined;
        over();
      };
      const timer = setTimeout(done, Math.max(0, Math.min(time, LONGEST_DESCRIPTION)));
      signal.addEventListener('abort', done);
      if (wakes) this.#wake = done;
    });
  }
}

function isUnwell({ workflowTask, paused, pausedRun }: RunHealth): boolean {
  return workflowTask !== undefined || paused.length > 0 || pausedRun !== undefined;
}

/** Milliseconds of this process's own clock, which nobody sets. */
function now(): number {
  return performance.now();
}
