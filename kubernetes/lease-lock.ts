/**
 * A lock across processes, for work of some seconds: a Lease in the namespace that the work is about.
 *
 * LOCK-1: no two holders are told by {@link HeldLock.isHeld} that they held it without a break while their work overlapped: a lease that
 *         another process took over in between has another holder then, whatever the clocks say.
 * LOCK-2: a holder that is paused or cut off is told by `signal` before its lease is over, unless it is paused at that moment: so work that
 *         must not overlap asks `isHeld` once it is done, and undoes itself where it is not.
 * LOCK-3: the lease of a holder that died is over within {@link SECONDS}, by the clock of who waits for it.
 * LOCK-4: a process that always has work leaves the others a gap.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import PQueue from 'p-queue';
import type { ApiServer, KubernetesObject } from './api-server';
import { KubernetesError } from './error';
import { LeaseObserver, leaseOf, leaseSpecOf, moment, since, type LeaseSpec, type Moment } from './lease';
import { RESOURCES } from './resources';

/** What {@link leaseLocks} needs. */
export interface LeaseLockOptions {
  api: ApiServer;
  /** Name of the Lease in each namespace. */
  name: string;
  /** Names this process to people; need not be unique. */
  identity: string;
}

/** The lock while work goes on. */
export interface HeldLock {
  /** Aborts once another process may have the lock. */
  signal: AbortSignal;
  /** Whether no other process has had the lock since the work began, by the API server's word. */
  isHeld(): Promise<boolean>;
}

/** Locks of one process, one for each namespace. */
export interface LeaseLocks {
  /**
   * Does `work` under the lock of a namespace, after what waits for it in this process.
   *
   * @throws KubernetesError where the lease cannot be read or written, LockTimeoutError where another process holds it for too long, the
   *   reason of `signal` once that aborts.
   */
  withLock<T>(namespace: string, work: (lock: HeldLock) => Promise<T>, signal?: AbortSignal): Promise<T>;
}

/** Thrown where another process holds the lock for longer than {@link PATIENCE}. */
export class LockTimeoutError extends Error {
  override readonly name = 'LockTimeoutError';
}

/** Seconds that a lease is good for after it was renewed. */
const SECONDS = 8;
/** Milliseconds after a renewal after which the holder stops work. */
const BELIEF = 5_000;
/** Milliseconds between two renewals. */
const RENEWAL = 2_000;
/** Milliseconds between two looks at a lease of another process, give or take a half. */
const LOOK = 200;
/** Milliseconds of work without a gap after which a process leaves one, and how long that is. */
const STREAK = 2_000;
const GAP = 2 * LOOK;
/** Milliseconds that another process is waited for. */
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
  readonly #api: ApiServer;
  readonly #key: { namespace: string; name: string };
  readonly #process: string;
  readonly #queue = new PQueue({ concurrency: 1 });
  /** When the lock was last released, and since when this process has had it with hardly a break. */
  #released = -Infinity;
  #streakBegan = 0;

  constructor({ api, name, identity }: LeaseLockOptions, namespace: string) {
    this.#api = api;
    this.#key = { namespace, name };
    this.#process = identity;
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

  /** LOCK-4. */
  async #leaveGap(signal?: AbortSignal): Promise<void> {
    const now = performance.now();
    if (now - this.#released > GAP) this.#streakBegan = now;
    if (now - this.#streakBegan < STREAK) return;
    await sleep(GAP, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
    this.#streakBegan = performance.now();
  }

  async #acquire(signal?: AbortSignal): Promise<Held> {
    // Unique for each time the lock is taken: a lease that somebody else has had in between is not taken for our own.
    const identity = `${this.#process}_${randomUUID()}`;
    const observer = new LeaseObserver();
    const began = performance.now();
    for (;;) {
      signal?.throwIfAborted();
      const call = moment();
      const lease = await this.#api.get(RESOURCES.leases, this.#key, {
        timeout: CALL_TIMEOUT,
        ...(signal && { signal }),
      });
      if (!lease || isFree(lease, identity, observer.see(lease, call.running))) {
        const taken = await this.#write(leaseOf(this.#key, identity, SECONDS, lease), lease !== undefined);
        if (taken) return new Held(this.#api, this.#key, identity, taken, call);
      } else if (performance.now() - began > PATIENCE) throw this.#timedOut(lease);
      await sleep(LOOK * (0.5 + Math.random()), undefined, signal && { signal }).catch(() => undefined);
    }
  }

  /** Undefined: another process was faster. Not to be cut off: a lease that was taken has to be released. */
  async #write(lease: KubernetesObject, exists: boolean): Promise<KubernetesObject | undefined> {
    const options = { timeout: CALL_TIMEOUT };
    try {
      return exists
        ? await this.#api.replace(RESOURCES.leases, lease, options)
        : await this.#api.create(RESOURCES.leases, lease, options);
    } catch (error: unknown) {
      if (error instanceof KubernetesError && (error.isConflict || error.isNotFound)) return undefined;
      throw error;
    }
  }

  #timedOut(lease: KubernetesObject): LockTimeoutError {
    const { namespace, name } = this.#key;
    return new LockTimeoutError(
      `Lease ${namespace}/${name} has been held by ${leaseSpecOf(lease).holderIdentity} for more than ${PATIENCE / 1000} s`,
    );
  }
}

/** A lease that was taken; it is renewed until it is released. */
class Held implements HeldLock {
  readonly #controller = new AbortController();
  readonly signal = this.#controller.signal;
  #lease: KubernetesObject;
  #renewedAt: Moment;
  #lost = false;
  #timer: NodeJS.Timeout;
  #renewing: Promise<void> = Promise.resolve();

  constructor(
    readonly api: ApiServer,
    readonly key: { namespace: string; name: string },
    readonly identity: string,
    lease: KubernetesObject,
    renewedAt: Moment,
  ) {
    this.#lease = lease;
    this.#renewedAt = renewedAt;
    this.#timer = setInterval(() => this.#beat(), RENEWAL / 2);
  }

  async isHeld(): Promise<boolean> {
    if (this.#lost) return false;
    const lease = await this.api.get(RESOURCES.leases, this.key, { timeout: CALL_TIMEOUT });
    // Nobody writes this name for us once another process has had the lease.
    const held = lease !== undefined && leaseSpecOf(lease).holderIdentity === this.identity;
    if (!held) this.#lose();
    return held;
  }

  /** Gives the lease back; where that fails it runs out. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    if (this.#lost) return;
    const { metadata } = this.#lease;
    const spec: LeaseSpec = { ...leaseSpecOf(this.#lease), holderIdentity: '', leaseDurationSeconds: 1 };
    const options = { timeout: CALL_TIMEOUT };
    await this.api.replace(RESOURCES.leases, { metadata, spec }, options).catch(() => undefined);
  }

  #beat(): void {
    const age = since(this.#renewedAt);
    if (age > BELIEF) return this.#lose();
    if (age < RENEWAL) return;
    this.#renewing = this.#renewing.then(() => this.#renew());
  }

  async #renew(): Promise<void> {
    if (this.#lost || since(this.#renewedAt) < RENEWAL) return;
    const call = moment();
    try {
      const lease = leaseOf(this.key, this.identity, SECONDS, this.#lease);
      this.#lease = await this.api.replace(RESOURCES.leases, lease, { timeout: CALL_TIMEOUT });
      this.#renewedAt = call;
    } catch (error: unknown) {
      if (error instanceof KubernetesError && (error.isConflict || error.isNotFound)) await this.#lookAgain();
    }
  }

  /** The lease has changed: the answer to a renewal of ours may have been lost, or another process has it. */
  async #lookAgain(): Promise<void> {
    const call = moment();
    try {
      const lease = await this.api.get(RESOURCES.leases, this.key, { timeout: CALL_TIMEOUT });
      if (!lease || leaseSpecOf(lease).holderIdentity !== this.identity) return this.#lose();
      this.#lease = lease;
    } catch {
      // The next renewal tries again, until the belief ends.
    }
    if (since(call) > BELIEF) this.#lose();
  }

  #lose(): void {
    this.#lost = true;
    clearInterval(this.#timer);
    const { namespace, name } = this.key;
    this.#controller.abort(new Error(`Lease ${namespace}/${name} was lost while it was needed`));
  }
}

/** Whether a lease is nobody's, ours (the answer to our write was lost), or over. */
function isFree(lease: KubernetesObject, identity: string, unchanged: number): boolean {
  const { holderIdentity, leaseDurationSeconds = SECONDS } = leaseSpecOf(lease);
  return !holderIdentity || holderIdentity === identity || unchanged > leaseDurationSeconds * 1000;
}
