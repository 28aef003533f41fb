/**
 * What Temporal knows of the runs of groups: looks each up once, follows those that are open, and sends to them. What a run did reaches the
 * bridge in one way: {@link GroupRuns.get}, after a call of `onChange`.
 *
 * RUNS-1: a run that was not looked up yet is unknown, not absent.
 * RUNS-2: an answer about a group's run is ignored if another run of the group was opened, or the group was forgotten, since the question: it
 *     never overwrites a run that was found or started later.
 * RUNS-5: whether the server answers is known also while there is nothing to ask it.
 */
import pRetry from 'p-retry';
import type { ObjectName } from '../../api';
import type { CleanUp, PlanMessage } from '../../contract';
import { objectKey, type ObjectKey } from '../manifests';
import { Reachability } from './reachability';
import { followRun, type RunFollower } from './run-follower';
import { RunNotices, type MissedEnd } from './run-notices';
import { RunReader } from './run-reader';
import type { RunState } from './run-state';
import type { DescribedRun, TemporalRuns } from './temporal-runs';

/** The runs of all groups. */
export interface GroupRuns {
  /** What is known of the last run; undefined: it was not looked up yet (RUNS-1). */
  get(group: ObjectName): RunState | undefined;
  /** Asks the server for the last run, unless an open one is followed already. Rejects if the server does not answer. */
  lookUp(group: ObjectName): Promise<void>;
  /** Starts or signals the run of the plan's group; resolves to the id of the run that has it. */
  send(message: PlanMessage): Promise<string>;
  /**
   * Starts a run that clears up after one that was ended from outside; resolves to its id. If a run is open by now, that one is found instead, and
   * it resolves to undefined.
   */
  cleanUp(input: CleanUp): Promise<string | undefined>;
  /** Notifies an open run that its group was deleted or no longer has a power state (RUNS-3). */
  withdraw(group: ObjectName, reason: string): Promise<void>;
  /** Notifies an open run of each activity that was paused or unpaused since the last notice (RUNS-4). */
  reportPauses(group: ObjectName): Promise<void>;
  /** Notifies an open run of the end of a nested run (RUNS-6). It is a hint: the run reads the outcome of the nested run that it asked. */
  reportEnd(group: ObjectName, end: MissedEnd): Promise<void>;
  /** Whether the server answered the last call. */
  reachable(): boolean;
  /** Forgets a group. */
  forget(group: ObjectName): void;
  /** Forgets every group: another process leads. */
  forgetAll(): void;
  stop(): Promise<void>;
}

/** What {@link groupRuns} needs. */
export interface GroupRunsOptions {
  temporal: TemporalRuns;
  /** The last run of a group as its view remembers it, for a server that has deleted the run. */
  remembered: (group: ObjectName) => RunState;
  /** A run that is followed changed, or ended. */
  onChange: (group: ObjectName) => void;
  onReachable: (reachable: boolean, error?: unknown) => void;
}

/** Milliseconds until a run that ended is looked up again after an error; doubles. */
const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 2_000;

/** What is known of one group. */
interface KnownGroup {
  /** Unless a run is followed. */
  state?: RunState;
  /** Its open run. */
  open?: { follower: RunFollower; notices: RunNotices };
}

/** Makes the runs of all groups; follows nothing before it is asked. */
export function groupRuns(options: GroupRunsOptions): GroupRuns {
  return new Runs(options);
}

class Runs implements GroupRuns {
  readonly #options: GroupRunsOptions;
  readonly #server: Reachability;
  readonly #reader: RunReader;
  readonly #known = new Map<ObjectKey, KnownGroup>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor(options: GroupRunsOptions) {
    this.#options = options;
    this.#server = new Reachability(() => options.temporal.ping(), options.onReachable);
    this.#reader = new RunReader(options.temporal, this.#server, options.remembered);
  }

  get(group: ObjectName): RunState | undefined {
    const { open, state } = this.#known.get(objectKey(group)) ?? {};
    if (!open) return state;
    const { follower } = open;
    return { phase: 'Open', runId: follower.runId, ...follower.state() };
  }

  async lookUp(group: ObjectName): Promise<void> {
    const known = this.#of(group);
    if (known.open) return;
    await this.#read(
      group,
      known,
      known.state !== undefined,
      () => !known.open && this.#isKnown(group, known),
    );
  }

  async send(message: PlanMessage): Promise<string> {
    const { plan } = message;
    const runId = await this.#server.call(() => this.#options.temporal.send(message));
    const known = this.#of(plan);
    const { open } = known;
    open?.notices.planSent();
    if (open && (await this.#isOf(open.follower, plan, runId))) {
      open.follower.sent();
      return open.follower.runId;
    }
    this.#follow(plan, known, runId, Date.now());
    return runId;
  }

  /** Whether an execution is part of the followed run: the run may have continued as new, or ended, a moment ago. */
  async #isOf(follower: RunFollower, group: ObjectName, executionId: string): Promise<boolean> {
    if (follower.has(executionId)) return true;
    const found = await this.#reader.describe(group).catch(() => undefined);
    return found?.runId === executionId && found.firstRunId === follower.firstRunId;
  }

  async cleanUp(input: CleanUp): Promise<string | undefined> {
    const { plan } = input;
    const runId = await this.#server.call(() => this.#options.temporal.cleanUp(input));
    if (runId === undefined) await this.lookUp(plan);
    else this.#follow(plan, this.#of(plan), runId, Date.now());
    return runId;
  }

  async withdraw(group: ObjectName, reason: string): Promise<void> {
    await this.#of(group).open?.notices.withdraw(reason);
  }

  async reportPauses(group: ObjectName): Promise<void> {
    const { open } = this.#of(group);
    if (open) await open.notices.reportPauses(open.follower.state());
  }

  async reportEnd(group: ObjectName, end: MissedEnd): Promise<void> {
    await this.#of(group).open?.notices.reportEnd(end);
  }

  reachable(): boolean {
    return this.#server.isReachable;
  }

  forget(group: ObjectName): void {
    const key = objectKey(group);
    this.#known.get(key)?.open?.follower.stop();
    this.#known.delete(key);
  }

  forgetAll(): void {
    for (const { open } of this.#known.values()) open?.follower.stop();
    this.#known.clear();
  }

  async stop(): Promise<void> {
    this.#closing.abort();
    for (const { open } of this.#known.values()) open?.follower.stop();
    await Promise.all([...this.#tasks, this.#server.stop()]);
  }

  #of(group: ObjectName): KnownGroup {
    const key = objectKey(group);
    const known = this.#known.get(key) ?? {};
    this.#known.set(key, known);
    return known;
  }

  /** Whether the group was not forgotten since. */
  #isKnown(group: ObjectName, known: KnownGroup): boolean {
    return this.#known.get(objectKey(group)) === known;
  }

  #follow(
    group: ObjectName,
    known: KnownGroup,
    runId: string,
    startedAt: number,
    described?: DescribedRun,
  ): void {
    if (this.#closing.signal.aborted) return;
    known.open?.follower.stop();
    const follower = followRun({
      temporal: this.#options.temporal,
      group,
      runId,
      startedAt,
      ...(described && { described }),
      onChange: () => this.#options.onChange(group),
      onOver: () => this.#track(this.#readEnd(group, known, runId)),
      onReachable: (reachable, error) => this.#server.note(reachable, error),
    });
    delete known.state;
    known.open = { follower, notices: new RunNotices(this.#options.temporal, this.#server, group) };
    this.#track(follower.done);
  }

  /** Reads how a followed run ended; until that is known it counts as open. */
  async #readEnd(group: ObjectName, known: KnownGroup, runId: string): Promise<void> {
    const { signal } = this.#closing;
    const isCurrent = (): boolean =>
      !signal.aborted && known.open?.follower.runId === runId && this.#isKnown(group, known);
    const read = async (): Promise<void> => {
      try {
        if (isCurrent() && (await this.#read(group, known, true, isCurrent))) this.#options.onChange(group);
      } catch (cause: unknown) {
        // A TypeError, of whatever origin, would not be retried.
        throw new Error('failed to read how a run ended', { cause });
      }
    };
    const pauses = { minTimeout: FIRST_PAUSE, maxTimeout: LONGEST_PAUSE };
    await pRetry(read, { retries: Infinity, ...pauses, signal, shouldRetry: isCurrent }).catch(
      () => undefined,
    );
  }

  /**
   * Reads the last run of a group, and takes it over if `isCurrent` still holds then (RUNS-2); resolves to whether it did.
   *
   * @param witnessed The group was followed before.
   */
  async #read(
    group: ObjectName,
    known: KnownGroup,
    witnessed: boolean,
    isCurrent: () => boolean,
  ): Promise<boolean> {
    const found = await this.#reader.describe(group);
    const state = found?.open
      ? undefined
      : await this.#reader.closedState(group, found, known.state, witnessed);
    if (!isCurrent()) return false;
    if (found?.open) this.#follow(group, known, found.runId, found.startedAt, found);
    else if (state) {
      delete known.open;
      known.state = state;
    }
    return true;
  }

  #track(task: Promise<void>): void {
    this.#tasks.add(task);
    void task.finally(() => this.#tasks.delete(task));
  }
}
