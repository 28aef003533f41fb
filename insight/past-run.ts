/** What closed runs of a group teach about how long the next one takes. Pure. */
import type { DesiredPowerState, MemberKey, RunOutcome, Span } from '../contract';

/** A closed run that brought its members where they should be. Times are milliseconds since the epoch. */
export interface PastRun {
  runId: string;
  powerState: DesiredPowerState;
  startedAt: number;
  endedAt: number;
  /** The operation of each member that was not there already. */
  spans: Record<MemberKey, Span>;
}

/** Durations of one thing in several runs, milliseconds. */
export interface Spread {
  median: number;
  /** Nine of ten took at most as long. */
  p90: number;
  /** How many there are. */
  runs: number;
}

/** A closed run by its outcome; undefined for one that teaches nothing: it was stopped, had nothing to do, or an older build ran it. */
export function pastRunOf(runId: string, outcome: RunOutcome): PastRun | undefined {
  const { powerState, startedAt, endedAt, spans = {} } = outcome;
  if (outcome.outcome !== 'Converged' && outcome.outcome !== 'ConvergedWithExceptions') return undefined;
  if (Object.keys(spans).length === 0) return undefined;
  return { runId, powerState, startedAt, endedAt, spans };
}

/** Median and 90th percentile by nearest rank; undefined for no durations. */
export function spread(durations: readonly number[]): Spread | undefined {
  if (durations.length === 0) return undefined;
  const sorted = durations.map((each) => Math.max(0, each)).sort((a, b) => a - b);
  const rank = (part: number): number => sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0;
  return { median: rank(0.5), p90: rank(0.9), runs: sorted.length };
}
