/** Groups whose open runs make no progress for a reason that the runs cannot report themselves. Pure. */
import type { GroupView } from './view';

/** Reasons of conditions of such groups. */
export type StuckReason =
  'WorkflowTaskFailing' | 'RunPaused' | 'ActivityPaused' | 'NoPlatformWorker' | 'StalePlan';

/** How many groups have a condition with each of these reasons. */
export function stuckRuns(views: readonly GroupView[]): Record<StuckReason, number> {
  const count = (reason: StuckReason): number => views.filter((view) => reasonsOf(view).has(reason)).length;
  return {
    WorkflowTaskFailing: count('WorkflowTaskFailing'),
    RunPaused: count('RunPaused'),
    ActivityPaused: count('ActivityPaused'),
    NoPlatformWorker: count('NoPlatformWorker'),
    StalePlan: count('StalePlan'),
  };
}

function reasonsOf({ status }: GroupView): ReadonlySet<string> {
  const all = [status.conditions, ...status.members.map(({ conditions }) => conditions)].flat();
  return new Set(all.map(({ reason }) => reason));
}
