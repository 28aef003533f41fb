/**
 * A lock across processes, for work of some seconds: a Lease in the namespace of the work.
 *
 * LEASELOCK-1: {@link HeldLock.isHeld} is never true for two holders whose work overlapped: a lease that another process acquired in
 *     between has another holder, whatever the clocks say.
 * LEASELOCK-2: `signal` aborts before the lease of a holder that is cut off is over. It cannot for a process that is paused at that moment,
 *     so work that must not overlap calls `isHeld` once it is done, and undoes itself if the lock was lost.
 * LEASELOCK-3: the lease of a holder that died is over after {@link SECONDS}, by the clock of the process that waits for it.
 * LEASELOCK-4: a process that always has work leaves the others a gap.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import PQueue from 'p-queue';
import type { ApiServer } from '../api-server';
import { since, type Moment } from '../clocks';
import { KubernetesError } from '../error';
import { Lease } from './lease';

/** What {@link leaseLocks} needs. */
export interface LeaseLockOptions {
  api: ApiServer;
  /** Name of the Lease in each namespace. */
  name: string;
  /** Name of this process, for people; need not be unique. */
  identity: string;
}

/** The lock while the work runs. */
export interface HeldLock {
  /** Aborts once another process may have the lock. */
  signal: AbortSignal;
  /** Whether no other process has had the lock since the work began, by the API server's word. */
  isHeld(): Promise<boolean>;
}

/** Locks of one process, one for each namespace. */
export interface LeaseLocks {
  /**
   * Does `work` under the lock of a namespace, after earlier calls of this process for the same namespace.
   *
   * @throws KubernetesError when the lease cannot be read or written, LockTimeoutError when another process holds it for too long, the
   *   reason of `signal` when that aborts.
   */
  withLock<T>(namespace: string, work: (lock: HeldLock) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** Thrown when the lock could not be acquired within {@link PATIENCE}. */
export class LockTimeoutError extends Error {
  override readonly name = 'LockTimeoutError';
}

/** Seconds that a lease is good for after it was renewed. */
const SECONDS = 8;
/** Milliseconds after a renewal after which the holder stops work. */
const BELIEF = 5_000;
/** Milliseconds between two renewals. */
const RENEWAL = 2_000;
/** Milliseconds between two tries to acquire the lock, plus or minus a half. */
const LOOK = 200;
/** Milliseconds of work without a gap after which a process leaves one, and how long that is. */
const STREAK = 2_000;
const GAP = 2 * LOOK;
/** Milliseconds to wait for the lock. */
const PATIENCE = 60_000;
const CALL_TIMEOUT = 3_000;

/** The locks of a process. */
export function leaseLocks(options: LeaseLockOptions): LeaseLocks {
  const queues = new Map<string, NamespaceLock>();
  return {
    withLock: (namespace, work, signal) => {
      let lock = queues.get(namespace);
      if (!lock) queues.set(namespace, (lock = new NamespaceLock(options, namespace)));
      return lock.run(work, signal);
    },
  };
}

class NamespaceLock {
  readonly #options: LeaseLockOptions;
  readonly #namespace: string;
  readonly #queue = new PQueue({ concurrency: 1 });
  /** When the lock was last released, and since when this process has had it without a gap. */
  #released = -Infinity;
  #streakBegan = 0;

  constructor(options: LeaseLockOptions, namespace: string) {
    this.#options = options;
    this.#namespace = namespace;
  }

  run<T>(work: (lock: HeldLock) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#queue.add(() => this.#run(work, signal), signal && { signal });
  }

  async #run<T>(work: (lock: HeldLock) => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#leaveGap(signal);
    const held = await this.#acquire(signal);
    try {
      return await work(held);
    } finally {
      await held.release();
      this.#released = performance.now();
    }
  }

  /** LEASELOCK-4. */
  async #leaveGap(signal?: AbortSignal): Promise<void> {
    const now = performance.now();
    if (now - this.#released > GAP) this.#streakBegan = now;
    if (now - this.#streakBegan < STREAK) return;
    await sleep(GAP, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
    this.#streakBegan = performance.now();
  }

  async #acquire(signal?: AbortSignal): Promise<AcquiredLock> {
    const { api, name, identity } = this.#options;
    const lease = new Lease({
      api,
      namespace: this.#namespace,
      name,
      seconds: SECONDS,
      timeout: CALL_TIMEOUT,
      // Unique for each time the lock is acquired: a lease that another process has had in between is not taken for our own.
      identity: `${identity}_${randomUUID()}`,
    });
    const began = performance.now();
    for (;;) {
      signal?.throwIfAborted();
      const acquired = await lease.acquire(signal).catch(undefinedIfOvertaken);
      const what = `Lease ${this.#namespace}/${name}`;
      if (acquired) return new AcquiredLock(lease, what, acquired);
      if (performance.now() - began > PATIENCE) {
        const holder = lease.holder ?? 'other processes';
        throw new LockTimeoutError(`${what} has been held by ${holder} for more than ${PATIENCE / 1000} s`);
      }
      await sleep(LOOK * (0.5 + Math.random()), undefined, signal && { signal }).catch(() => undefined);
    }
  }
}

/** Another process was faster. */
function undefinedIfOvertaken(error: unknown): undefined {
  if (error instanceof KubernetesError && error.isConflict) return undefined;
  throw error;
}

/** A lock that was acquired; its lease is renewed until it is released. */
class AcquiredLock implements HeldLock {
  readonly #controller = new AbortController();
  readonly signal = this.#controller.signal;
  readonly #lease: Lease;
  readonly #what: string;
  #renewedAt: Moment;
  #timer: NodeJS.Timeout;
  #renewing: Promise<void> | undefined;

  constructor(lease: Lease, what: string, renewedAt: Moment) {
    this.#lease = lease;
    this.#what = what;
    this.#renewedAt = renewedAt;
    this.#timer = setInterval(() => this.#beat(), RENEWAL / 2);
  }

  async isHeld(): Promise<boolean> {
    if (this.signal.aborted) return false;
    // No process writes our name again once another one has had the lease.
    const held = await this.#lease.isHeld();
    if (!held) this.#lose();
    return held;
  }

  /** Releases the lease; one that cannot be released runs out. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    if (!this.signal.aborted) await this.#lease.release().catch(() => undefined);
  }

  #beat(): void {
    const age = since(this.#renewedAt);
    if (age > BELIEF) return this.#lose();
    if (age < RENEWAL) return;
    this.#renewing ??= this.#renew().finally(() => (this.#renewing = undefined));
  }

  async #renew(): Promise<void> {
    try {
      const renewed = await this.#lease.renew();
      if (renewed) this.#renewedAt = renewed;
      else this.#lose();
    } catch {
      // The next beat tries again, until the belief ends.
    }
  }

  #lose(): void {
    clearInterval(this.#timer);
    this.#controller.abort(new Error(`${this.#what} was lost while it was needed`));
  }
}
