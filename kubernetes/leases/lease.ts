/**
 * One Lease (coordination.k8s.io) as one process acquires, renews and releases it.
 *
 * LEASE-1: clocks of two machines are not compared. The lease of another process is over once it has not changed for its duration, by our own
 *     clock.
 * LEASE-2: a lease is good from the moment at which the call began that wrote it, however late the answer comes.
 * LEASE-3: a lease that somebody deletes is not over: its holder believes in it until its next renewal, so a process that has seen it held waits as if
 *     it were still there.
 */
import type { ApiServer } from '../api-server';
import type { KubernetesObject } from '../object';
import { moment, type Moment } from '../clocks';
import { RESOURCES } from '../resources';

/** What a {@link Lease} needs. */
export interface LeaseOptions {
  api: ApiServer;
  namespace: string;
  name: string;
  /** Who we are; unique. */
  identity: string;
  /** Seconds that the lease is good for after it was written. */
  seconds: number;
  /** Milliseconds that one call may take. */
  timeout: number;
  fieldManager?: string;
}

interface LeaseSpec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
}

/** A Lease. Every call rejects with a `KubernetesError` when the API server refuses it or does not answer. */
export class Lease {
  readonly #options: LeaseOptions;
  /** As it was last read or written. */
  #last: KubernetesObject | undefined;
  /** Since when it has not changed, by the clock of running time. */
  #unchangedSince = 0;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Who held it when it was last read or written; undefined: no process, or not known. */
  get holder(): string | undefined {
    return (this.#last && specOf(this.#last).holderIdentity) || undefined;
  }

  /**
   * Acquires or renews the lease unless another process holds it. Returns when its term began (LEASE-2), or undefined if another process
   * holds it. Rejects with a conflict if another process wrote it at the same time (one that was deleted is created by the same call), and with code 404
   * if there is no such namespace. `signal` ends only the reading: a lease that was written has to be released.
   */
  async acquire(signal?: AbortSignal): Promise<Moment | undefined> {
    const begun = moment();
    const lease = await this.#read(signal);
    if (lease) this.#note(lease, begun);
    const last = lease ?? this.#last;
    if (last && !this.#isFree(last, begun)) return undefined;
    await this.#write(lease, begun);
    return begun;
  }

  /** As {@link acquire}, but a lease that is no longer ours is left alone, even if it is free again. */
  async renew(): Promise<Moment | undefined> {
    const begun = moment();
    const lease = await this.#read();
    if (!lease || !this.#isOurs(lease)) return undefined;
    await this.#write(lease, begun);
    return begun;
  }

  /** Whether we hold it now, by the API server's word. */
  async isHeld(): Promise<boolean> {
    const lease = await this.#read();
    return lease !== undefined && this.#isOurs(lease);
  }

  /** Gives the lease back, so that another process need not wait for its end. */
  async release(): Promise<void> {
    if (!this.#last || !this.#isOurs(this.#last)) return;
    const spec: LeaseSpec = { ...specOf(this.#last), holderIdentity: '', leaseDurationSeconds: 1 };
    const { api, timeout } = this.#options;
    await api.replace(RESOURCES.leases, { metadata: this.#last.metadata, spec }, { timeout });
  }

  #read(signal?: AbortSignal): Promise<KubernetesObject | undefined> {
    const { api, namespace, name, timeout } = this.#options;
    return api.get(RESOURCES.leases, { namespace, name }, { timeout, ...(signal && { signal }) });
  }

  async #write(before: KubernetesObject | undefined, begun: Moment): Promise<void> {
    const { api, timeout, fieldManager } = this.#options;
    const options = { timeout, ...(fieldManager !== undefined && { fieldManager }) };
    const lease = leaseOf(this.#options, before);
    const written = before
      ? await api.replace(RESOURCES.leases, lease, options)
      : await api.create(RESOURCES.leases, lease, options);
    this.#note(written, begun);
  }

  #note(lease: KubernetesObject, { running }: Moment): void {
    if (!this.#last || this.#last.metadata.resourceVersion !== lease.metadata.resourceVersion)
      this.#unchangedSince = running;
    this.#last = lease;
  }

  /** Whether no process holds it, we do (the answer to our write was lost), or it is over (LEASE-1). */
  #isFree(lease: KubernetesObject, { running }: Moment): boolean {
    const { holderIdentity, leaseDurationSeconds = this.#options.seconds } = specOf(lease);
    if (!holderIdentity || this.#isOurs(lease)) return true;
    return running - this.#unchangedSince > leaseDurationSeconds * 1000;
  }

  #isOurs(lease: KubernetesObject): boolean {
    return specOf(lease).holderIdentity === this.#options.identity;
  }
}

function specOf(lease: KubernetesObject): LeaseSpec {
  return lease.spec ?? {};
}

/** The lease as ours, in place of the one that was read. The times in it are for people only. */
function leaseOf(
  { namespace, name, identity, seconds }: LeaseOptions,
  before: KubernetesObject | undefined,
): KubernetesObject {
  const { holderIdentity, acquireTime, leaseTransitions = 0 } = before ? specOf(before) : {};
  const now = new Date().toISOString().replace('Z', '000Z');
  const same = holderIdentity === identity;
  const spec: LeaseSpec = {
    holderIdentity: identity,
    leaseDurationSeconds: seconds,
    renewTime: now,
    acquireTime: (same && acquireTime) || now,
    leaseTransitions: leaseTransitions + (same || !before ? 0 : 1),
  };
  const resourceVersion = before?.metadata.resourceVersion;
  return { metadata: { namespace, name, ...(resourceVersion !== undefined && { resourceVersion }) }, spec };
}
