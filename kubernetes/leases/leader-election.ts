/**
 * Leader election: the process that holds a Lease leads.
 *
 * LEADER-1: at most one process believes that it leads, also one that was paused and wakes up, unless leases may not be used (`onForbidden`). The belief ends {@link DURATION} minus
 *     {@link BELIEF} before the lease does.
 * LEADER-2: a leader that dies is followed by another one within {@link DURATION} and a few seconds; one that stops releases the lease.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiServer } from '../api-server';
import { moment, since, type Moment } from '../clocks';
import { KubernetesError } from '../error';
import { Lease } from './lease';

/** What {@link LeaderElection} needs. */
export interface LeaderElectionOptions {
  api: ApiServer;
  /** Namespace and name of the Lease. */
  namespace: string;
  name: string;
  /** Unique name of this process. */
  identity: string;
  /** Called when this process begins to lead, and when it no longer does. */
  onChange: (leading: boolean) => void;
  /** Called when the lease could not be acquired, renewed or released; this is retried. */
  onError?: (error: unknown) => void;
  /**
   * If present, a process that may not use leases leads without one, and so does every other one. Called when that begins. A right that is
   * given later counts within seconds.
   */
  onForbidden?: (error: unknown) => void;
}

/** Seconds that the lease is good for after it was renewed. */
const DURATION = 15;
/** Milliseconds after a renewal in which we believe to lead. */
const BELIEF = 10_000;
/** Milliseconds between two renewals, or two tries to acquire the lease. */
const PERIOD = 2_500;
const CALL_TIMEOUT = 4_000;
/** Milliseconds after a renewal at which what only the leader may write is given up: a second before the lease is over. */
const TERM = DURATION * 1_000 - 1_000;

/** One process that takes part in the election. */
export class LeaderElection {
  readonly #options: LeaderElectionOptions;
  readonly #lease: Lease;
  readonly #closing = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #renewedAt: Moment | undefined;
  /** What `onChange` was called with last. */
  #believed = false;
  #beliefEnds: NodeJS.Timeout | undefined;
  /** See {@link term}. */
  #term = new AbortController();
  #termEnds: NodeJS.Timeout | undefined;
  /** It leads without a lease. */
  #isFree = false;
  /** Since when leases may not be used, by the clock of running time; undefined: they may. */
  #refusedSince: number | undefined = -Infinity;

  constructor(options: LeaderElectionOptions) {
    const { api, namespace, name, identity } = options;
    this.#options = options;
    this.#endTerm();
    this.#lease = new Lease({
      api,
      namespace,
      name,
      identity,
      fieldManager: identity,
      seconds: DURATION,
      timeout: CALL_TIMEOUT,
    });
  }

  /** Takes part from now on. */
  start(): void {
    this.#running = this.#run();
  }

  /** Whether this process leads. */
  isLeader(): boolean {
    return this.#renewedAt !== undefined && since(this.#renewedAt) < BELIEF;
  }

  /**
   * Aborts once another process may lead (LEADER-3), some seconds after this one ceases to believe in its own leadership. Renewals put that
   * off.
   */
  get term(): AbortSignal {
    if (this.#renewedAt === undefined || since(this.#renewedAt) >= TERM) this.#endTerm();
    return this.#term.signal;
  }

  /** Releases the lease (LEADER-2). */
  async stop(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#beliefEnds);
    await this.#running;
    const led = this.isLeader() && !this.#isFree;
    this.#lose();
    if (led) await this.#lease.release().catch((error: unknown) => this.#options.onError?.(error));
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await this.#attempt();
      await sleep(PERIOD * (0.9 + Math.random() / 5), undefined, { signal }).catch(() => undefined);
    }
  }

  async #attempt(): Promise<void> {
    try {
      const begun = await this.#lease.acquire();
      this.#refusedSince = undefined;
      if (begun) this.#renewed(begun);
      // LEADER-1: the lease was deleted or edited before ours was over.
      else this.#lose();
      this.#isFree = false;
    } catch (error: unknown) {
      if (this.#leadsFreely(error)) return;
      const overtaken = error instanceof KubernetesError && error.isConflict;
      if (!overtaken) this.#options.onError?.(error);
    }
  }

  /**
   * Leads without a lease if leases may not be used. Returns whether that is so. A right that this process had is gone only after a while: a
   * server that starts refuses what it allows a moment later.
   */
  #leadsFreely(error: unknown): boolean {
    const { onForbidden } = this.#options;
    if (!onForbidden || !(error instanceof KubernetesError) || error.code !== 403) return false;
    this.#refusedSince ??= performance.now();
    if (performance.now() - this.#refusedSince < DURATION * 1_000) return false;
    this.#renewed(moment());
    if (!this.#isFree) onForbidden(error);
    this.#isFree = true;
    return true;
  }

  #renewed(at: Moment): void {
    this.#renewedAt = at;
    clearTimeout(this.#beliefEnds);
    if (!this.#closing.signal.aborted) this.#beliefEnds = setTimeout(() => this.#report(), BELIEF + 50);
    if (this.#term.signal.aborted) this.#term = new AbortController();
    clearTimeout(this.#termEnds);
    this.#termEnds = setTimeout(() => this.#endTerm(), Math.max(0, TERM - since(at)));
    this.#report();
  }

  #lose(): void {
    this.#renewedAt = undefined;
    this.#endTerm();
    this.#report();
  }

  #endTerm(): void {
    clearTimeout(this.#termEnds);
    this.#term.abort(new Error('this process no longer leads'));
  }

  #report(): void {
    const leading = this.isLeader();
    if (leading === this.#believed) return;
    this.#believed = leading;
    this.#options.onChange(leading);
  }
}
