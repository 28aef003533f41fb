/** The outcome of a failover in one sentence. Pure. */
import { durationText } from '../page/duration-text';
import { stateWord } from '../page/members';
import { totalOf } from '../page/counts';
import type { Counts, Target } from '../page/page';
import { targetText } from './recovery';
import { desiredOf, type RunTimeline } from './timeline';

/** The sentence. `took`: until everything was where it should be. */
export function reportSentence(
  run: RunTimeline,
  counts: Counts,
  { took, target, now }: { took: number | undefined; target: Target | undefined; now: number },
): string {
  const total = totalOf(counts);
  const state = stateWord(desiredOf(run));
  const all = counts.Done === total;
  const done = all ? `All ${total} VMs` : `${counts.Done} of ${total} VMs`;
  const goal = target === undefined ? '' : `${target.verdict === 'Met' ? ', ' : '; '}${targetText(target)}`;
  if (run.endIsMissing)
    return total === 0
      ? 'What became of the run is not known: the record lacks it.'
      : `${done} were ${state} as far as the record goes: how the run ended is not known.`;
  if (run.endedAt === undefined)
    return `${done} are ${state} so far, ${durationText(now - run.startedAt)} after the start${goal}.`;
  if (took !== undefined) return `${done} were ${state} after ${durationText(took)}${goal}.`;
  return `${done} were ${state} when ${endText(run)} after ${durationText(run.endedAt - run.startedAt)}${goal}.`;
}

function endText({ outcome, hardEnd }: RunTimeline): string {
  if (outcome) {
    switch (outcome.outcome) {
      case 'Converged':
        return 'the run converged';
      case 'ConvergedWithExceptions':
        return 'the run ended with exceptions';
      case 'Failed':
        return `the run failed (${outcome.message})`;
      case 'Cancelled':
        return `the run was cancelled (${outcome.message})`;
      case 'Superseded':
        return `the run was superseded (${outcome.message})`;
    }
  }
  const { kind, actor, reason } = hardEnd ?? { kind: 'RunFailed' };
  const why = reason === undefined ? '' : ` (${reason})`;
  const who = actor === undefined ? '' : ` by ${actor.name}`;
  switch (kind) {
    case 'RunTerminated':
      return `the run was terminated${who}${why}`;
    case 'RunCancelled':
      return `the run was cancelled${who}${why}`;
    case 'RunTimedOut':
      return 'the run timed out';
    case 'RunFailed':
      return `the run ended without an outcome${why}`;
  }
}
