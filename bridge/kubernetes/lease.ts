/**
 * Decides which of several bridges writes: the one that holds a Lease of the cluster.
 *
 * E1: at most one process believes that it holds the lease, also one that was paused and wakes up: the belief ends a while before the lease
 *     does.
 * E2: a holder that dies is followed by another one within {@link DURATION} and a few seconds; one that stops gives the lease back.
 *
 * Clocks are not compared: a lease of somebody else is over once it has not changed for its duration, by our own clock. For E1 two clocks of
 * our own count, whichever has gone further: that of running time may stand still with a machine that is suspended, and that of the day may
 * be set back.
 */
import { KubernetesError, RESOURCES, type ApiServer, type KubernetesObject } from '../../kubernetes';

/** What {@link holdLease} needs. */
export interface LeaseOptions {
  api: ApiServer;
  namespace: string;
  name: string;
  /** Who we are: unique for each process. */
  identity: string;
  /** Told when the lease came, and when it went. */
  onChange: (holding: boolean) => void;
  /** Told of a call that failed and is tried again. */
  onError?: (error: unknown) => void;
}

/** A lease that is held, or striven for. */
export interface HeldLease {
  holding(): boolean;
  /** Who holds it, as far as is known. */
  holder(): string | undefined;
  /** Gives it back. */
  stop(): Promise<void>;
}

/** Seconds that a lease is good for after it was renewed. */
const DURATION = 15;
/** Milliseconds after a renewal in which we believe to hold it. */
const BELIEF = 10_000;
/** Milliseconds between two renewals, or two tries to get it. */
const PERIOD = 2_500;
const CALL_TIMEOUT = 4_000;
/**
 * Milliseconds that a write may take which only the holder may make: begun in the last moment of {@link BELIEF}, it ends before another
 * process can hold the lease.
 */
export const WRITE_TIMEOUT = 4_000;

/** A moment by two clocks, in milliseconds. */
interface Moment {
  running: number;
  day: number;
}

function moment(): Moment {
  return { running: performance.now(), day: Date.now() };
}

/** Milliseconds since then, by the clock that has gone further. */
function since({ running, day }: Moment): number {
  return Math.max(performance.now() - running, Date.now() - day);
}

interface LeaseSpec {
  holderIdentity?: string;
  leaseDurationSeconds?: number;
  acquireTime?: string;
  renewTime?: string;
  leaseTransitions?: number;
}

/** Strives for the lease from now on. */
export function holdLease(options: LeaseOptions): HeldLease {
  const { api, namespace, name, identity, onChange, onError = () => undefined } = options;
  let renewedAt: Moment | undefined;
  let believed = false;
  let seen: { version: string | undefined; at: number; object: KubernetesObject } | undefined;
  let timer: NodeJS.Timeout | undefined;
  let belief: NodeJS.Timeout | undefined;
  let round: Promise<void> = Promise.resolve();
  let stopped = false;

  function holding(): boolean {
    return renewedAt !== undefined && since(renewedAt) < BELIEF;
  }

  function tell(): void {
    const now = holding();
    if (now === believed) return;
    believed = now;
    onChange(now);
  }

  /** `at`: when the call was made that renewed it. */
  function renewed(at: Moment): void {
    renewedAt = at;
    clearTimeout(belief);
    belief = setTimeout(tell, BELIEF + 50);
    tell();
  }

  async function attempt(): Promise<void> {
    const begun = moment();
    try {
      const lease = await api.get(RESOURCES.leases, { namespace, name }, { timeout: CALL_TIMEOUT });
      if (lease && !isFree(lease, begun.running)) return lost();
      const object = leaseObject(lease);
      const options = { fieldManager: identity, timeout: CALL_TIMEOUT };
      const written = lease
        ? await api.replace(RESOURCES.leases, object, options)
        : await api.create(RESOURCES.leases, object, options);
      note(written, begun.running);
      renewed(begun);
    } catch (error: unknown) {
      // Somebody else was faster.
      if (!(error instanceof KubernetesError && error.isConflict)) onError(error);
    }
  }

  /** Somebody else has it: where the lease was deleted or edited, before ours was over (E1). */
  function lost(): void {
    renewedAt = undefined;
    tell();
  }

  /** Whether the lease is ours, nobody's, or over. */
  function isFree(lease: KubernetesObject, now: number): boolean {
    note(lease, now);
    const { holderIdentity, leaseDurationSeconds = DURATION } = specOf(lease);
    if (!holderIdentity || holderIdentity === identity) return true;
    return now - (seen?.at ?? now) > leaseDurationSeconds * 1000;
  }

  function note(lease: KubernetesObject, now: number): void {
    const version = lease.metadata.resourceVersion;
    seen =
      seen?.version === version && seen ? { ...seen, object: lease } : { version, at: now, object: lease };
  }

  function leaseObject(lease: KubernetesObject | undefined): KubernetesObject {
    const before = lease ? specOf(lease) : {};
    const now = new Date().toISOString().replace('Z', '000Z');
    const same = before.holderIdentity === identity;
    const spec: LeaseSpec = {
      holderIdentity: identity,
      leaseDurationSeconds: DURATION,
      renewTime: now,
      acquireTime: (same && before.acquireTime) || now,
      leaseTransitions: (before.leaseTransitions ?? 0) + (same || !lease ? 0 : 1),
    };
    const resourceVersion = lease?.metadata.resourceVersion;
    return { metadata: { namespace, name, ...(resourceVersion !== undefined && { resourceVersion }) }, spec };
  }

  function next(): void {
    if (stopped) return;
    round = attempt().finally(() => {
      if (!stopped) timer = setTimeout(next, PERIOD * (0.9 + Math.random() / 5));
    });
  }

  next();
  return {
    holding,
    holder: () => (seen ? specOf(seen.object).holderIdentity || undefined : undefined),
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      clearTimeout(belief);
      await round;
      const held = holding();
      renewedAt = undefined;
      tell();
      if (held && seen) await giveBack(seen.object).catch(onError);
    },
  };

  /** E2. */
  async function giveBack(lease: KubernetesObject): Promise<void> {
    const spec: LeaseSpec = { ...specOf(lease), holderIdentity: '', leaseDurationSeconds: 1 };
    await api.replace(RESOURCES.leases, { metadata: lease.metadata, spec }, { timeout: CALL_TIMEOUT });
  }
}

function specOf(lease: KubernetesObject): LeaseSpec {
  return lease.spec ?? {};
}
