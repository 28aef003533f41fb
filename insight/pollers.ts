/** Which workers of a task queue live. Pure. */

/** Milliseconds within which a living worker polls. Temporal remembers pollers for minutes. */
const POLL_PERIOD = 90_000;

/** A poller as Temporal describes it. */
export interface Poller {
  lastAccessTime?: { seconds?: { toString(): string } | null } | null;
}

/** Those that have polled lately. `now`: milliseconds since the epoch. */
export function livePollers<P extends Poller>(pollers: readonly P[] | null | undefined, now: number): P[] {
  return (pollers ?? []).filter(
    ({ lastAccessTime }) => now - Number(lastAccessTime?.seconds ?? 0) * 1_000 < POLL_PERIOD,
  );
}
