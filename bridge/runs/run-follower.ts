/**
 * Follows one open run: its end, its progress and its health.
 *
 * FOLLOW-1: the end of a run is always noticed: the follower waits for its events, and retries while the server is away.
 * FOLLOW-2: an idle run costs no billable action: it is queried only after it completed a workflow task or was sent a message. A run that
 *     does not answer is probed without cost until it does.
 * FOLLOW-3: following a run takes no more memory the longer the run is open.
 */
import type { ObjectName } from '../../api';
import type { Progress } from '../../contract';
import { hear } from './heard-members';
import { pause } from './pause';
import type { RunHealth } from '../../insight';
import { DescriptionSchedule, now, QuerySchedule } from './run-schedules';
import type { FollowedRun } from './run-state';
import type { DescribedRun, RunEvents, TemporalRuns } from './temporal-runs';
import { withWaits, type Waits } from './waits';

/** What {@link followRun} needs. */
export interface RunFollowerOptions {
  temporal: TemporalRuns;
  group: ObjectName;
  /** The execution to start with. */
  runId: string;
  startedAt: number;
  /** Its description, if the run was found and not started. */
  described?: DescribedRun;
  onChange: () => void;
  /** Called when the run is over, but not after {@link RunFollower.stop}. */
  onOver: () => void;
  /** Called after each call that shows whether the server answers. */
  onReachable: (reachable: boolean, error?: unknown) => void;
}

/** Follows a run until it is over. */
export interface RunFollower {
  readonly runId: string;
  readonly firstRunId: string;
  /** Whether an execution is part of this run: after continue-as-new, a run continues in another execution. */
  has(executionId: string): boolean;
  state(): FollowedRun;
  /** Call it after each message that was sent to the run. */
  sent(): void;
  stop(): void;
  /** Resolves once no call is under way. */
  readonly done: Promise<void>;
}

/** Milliseconds for which events are gathered, and until events are requested again after an answer without any. */
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
  readonly #queries = new QuerySchedule();
  readonly #descriptions = new DescriptionSchedule();
  #execution: string;
  #state: FollowedRun;
  /** Messages that were sent. */
  #messages: number;
  #pendingActivities: number;
  /** The last answer of the run, without what its attempts wait for. */
  #progress: Progress | undefined;
  #waits: Waits;
  /** Ends the pause until the next query or description. */
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
    this.#waits = described?.waits ?? {};
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
    this.#queries.want();
    this.#wake();
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
    const { signal } = this.#stop;
    let from: Uint8Array | undefined;
    let wait = FIRST_PAUSE;
    while (!this.#stopped) {
      const asked = now();
      let events;
      try {
        events = await temporal.events(group, this.#execution, from, signal);
      } catch (error: unknown) {
        if (this.#stopped) return;
        onReachable(false, error);
        await pause(wait, signal);
        wait = Math.min(wait * 2, LONGEST_PAUSE);
        continue;
      }
      if (this.#stopped) return;
      onReachable(true);
      if (wait > FIRST_PAUSE) this.#queries.probeSoon();
      wait = FIRST_PAUSE;
      const continuedAs = events?.closed?.continuedAs;
      if (!events || (events.closed && continuedAs === undefined)) {
        this.stop();
        return onOver();
      }
      this.#take(events);
      if (continuedAs !== undefined) this.#execution = continuedAs;
      from = continuedAs === undefined ? events.next : undefined;
      await pause(events.count === 0 && now() - asked < EMPTY_PAUSE ? EMPTY_PAUSE : GATHER, signal);
    }
  }

  #take({ changed, troubled }: RunEvents): void {
    if (changed) {
      this.#queries.want();
      this.#descriptions.whileBusy();
    }
    if (troubled || (changed && this.#state.health?.workflowTask)) this.#descriptions.soon();
    this.#wake();
  }

  async #look(): Promise<void> {
    const { signal } = this.#stop;
    while (!this.#stopped) {
      if (this.#queries.at <= now()) await this.#query();
      else if (this.#descriptions.at <= now()) await this.#describe();
      else {
        const next = Math.min(this.#queries.at, this.#descriptions.at) - now();
        await pause(next, signal, (wake) => (this.#wake = wake));
      }
    }
  }

  /** FOLLOW-2. */
  async #query(): Promise<void> {
    const { temporal, group } = this.#options;
    const { signal } = this.#stop;
    const { isSilent } = this.#queries;
    this.#queries.begin();
    try {
      if (isSilent) await temporal.probe(group, signal);
      const messages = this.#messages;
      const progress = await temporal.progress(group, signal);
      this.#queries.end(true);
      if (signal.aborted) return;
      const { unheard: _unheard, ...rest } = this.#state;
      const late = messages !== this.#messages && { unheard: true as const };
      this.#progress = progress;
      const { startedAt } = progress;
      const heard = hear(this.#state.heard, progress, performance.now());
      this.#set({ ...rest, progress: withWaits(progress, this.#waits), heard, startedAt, ...late });
    } catch {
      // No worker, a failing workflow task, no plan yet, or no server: what is known stays.
      this.#queries.end(false);
    }
  }

  async #describe(): Promise<void> {
    const { temporal, group, onReachable } = this.#options;
    const before = this.#described();
    this.#descriptions.begin();
    try {
      const described = await temporal.describe(group);
      if (this.#stopped) return;
      onReachable(true);
      if (described && this.has(described.runId)) {
        this.#pendingActivities = described.pendingActivities;
        this.#waits = described.waits ?? {};
        this.#setHealth(described.health);
      }
    } catch (error: unknown) {
      if (this.#stopped) return;
      onReachable(false, error);
    }
    this.#descriptions.end(before === this.#described(), this.#pendingActivities > 0);
  }

  /** What the last description said, as text. */
  #described(): string {
    return JSON.stringify([this.#state.health, this.#waits]);
  }

  #setHealth(health: RunHealth): void {
    const { health: _before, ...rest } = this.#state;
    this.#set({
      ...rest,
      ...(this.#progress && { progress: withWaits(this.#progress, this.#waits) }),
      ...(isUnwell(health) && { health }),
    });
  }
}

function isUnwell({ workflowTask, paused, pausedRun, unserved }: RunHealth): boolean {
  return (workflowTask ?? pausedRun ?? unserved) !== undefined || paused.length > 0;
}
