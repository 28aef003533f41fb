/**
 * Leases (coordination.k8s.io): how one is read, taken and found to be over.
 *
 * Clocks of two machines are not compared: a lease of another process is over once it has not changed for its duration, by our own clock. Of
 * our own, two clocks count, whichever has gone further: the running time may stand still while a machine is suspended, and the day's time may
 * be set back.
 */
import type { KubernetesObject } from './api-server';

/** The spec of a Lease. */
export interface LeaseSpec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
}

/** A moment by two clocks, in milliseconds. */
export interface Moment {
  running: number;
  day: number;
}

/** Now. */
export function moment(): Moment {
  return { running: performance.now(), day: Date.now() };
}

/** Milliseconds since then, by the clock that has gone further. */
export function since({ running, day }: Moment): number {
  return Math.max(performance.now() - running, Date.now() - day);
}

/** The spec of a Lease. */
export function leaseSpecOf(lease: KubernetesObject): LeaseSpec {
  return lease.spec ?? {};
}

/** Finds leases that are over, from what is seen of them over time. */
export class LeaseObserver {
  #seen: { version: string | undefined; at: number } | undefined;

  /** Notes a lease that was read when `performance.now()` was `now`. Returns for how many milliseconds it has stood unchanged. */
  see({ metadata: { resourceVersion } }: KubernetesObject, now: number): number {
    if (this.#seen?.version !== resourceVersion || !this.#seen)
      this.#seen = { version: resourceVersion, at: now };
    return now - this.#seen.at;
  }
}

/** A Lease of ours, `seconds` long, in place of the one that was read; only times for people are in it. */
export function leaseOf(
  key: { namespace: string; name: string },
  identity: string,
  seconds: number,
  before: KubernetesObject | undefined,
): KubernetesObject {
  const { holderIdentity, acquireTime, leaseTransitions = 0 } = before ? leaseSpecOf(before) : {};
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
  return { metadata: { ...key, ...(resourceVersion !== undefined && { resourceVersion }) }, spec };
}
