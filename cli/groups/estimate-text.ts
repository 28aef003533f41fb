/** Estimates in words. Pure. */
import type { Estimate, Expected } from '../../insight';
import { counted, elapsed } from '../output';

/** When a run will end: `ends in about 3m (at most 5m in 9 of 10; 12 past runs)`, or why that is not known. */
export function runEstimateText({ end, runs, why, unknown }: Estimate, now: number): string {
  if (!end) return `no estimate: ${why ?? 'nothing is known'}`;
  const more = unknown.length === 0 ? '' : `; ${counted(unknown.length, 'member')} without a past`;
  return `ends in about ${left(end, now)}; ${counted(runs, 'past run')}${more}`;
}

/** When a tier will be done; empty if nothing is known. */
export function tierEstimateText({ tiers }: Estimate, tier: number, now: number): string {
  const found = tiers.find((each) => each.tier === tier);
  if (!found?.end) return '';
  return found.overdue ? 'longer than 9 of 10 past runs' : `done in about ${left(found.end, now)}`;
}

/** By the median, and by the 90th percentile if that differs. */
function left({ median, p90 }: Expected, now: number): string {
  const [about, most] = [elapsed(median - now), elapsed(p90 - now)];
  return about === most ? about : `${about}, in 9 of 10 within ${most}`;
}
