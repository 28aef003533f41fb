/** What a recorded run teaches about how long the next one takes. Pure. */
import type { MemberKey, Span } from '../../contract';
import type { PastRun } from '../../insight';
import type { RunTimeline } from './timeline';

/** A closed run of the record as a past run; undefined for one that teaches nothing: it was stopped, or had nothing to do. */
export function recordedPastRun({ run, outcome, operations }: RunTimeline): PastRun | undefined {
  if (outcome?.outcome !== 'Converged' && outcome?.outcome !== 'ConvergedWithExceptions') return undefined;
  const { powerState, startedAt, endedAt } = outcome;
  const spans: Record<MemberKey, Span> = {};
  for (const [member, all] of operations) {
    const last = all.at(-1);
    if (last?.end !== 'Done' || last.powerState !== powerState || last.untouched) continue;
    spans[member] = [last.askedAt, last.endedAt ?? last.askedAt];
  }
  if (Object.keys(spans).length === 0) return undefined;
  return { runId: run.runId, powerState, startedAt, endedAt, spans };
}
