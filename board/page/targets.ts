/** Recovery targets against times. Pure. */
import type { Target } from './page';

/** A target. `took`: until everything was up; `elapsed`: since the start of the run, while it is open. Both in milliseconds. */
export function targetOf(
  rto: number,
  { took, elapsed }: { took?: number | undefined; elapsed?: number | undefined },
): Target {
  if (took !== undefined) return { rto, took, verdict: took <= rto ? 'Met' : 'Missed' };
  // A run that ended without everything being up has missed it.
  return { rto, verdict: elapsed !== undefined && elapsed <= rto ? 'Open' : 'Missed' };
}
