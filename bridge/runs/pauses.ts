/** Which pauses of activities have to be reported to a run: those made in Temporal leave no event in its history. Pure. */
import type { PausedBy, PauseReport, Progress } from '../../contract';
import type { RunHealth } from '../../insight';

/** What was reported last, by activity id; null: no longer paused. */
export type ReportedPauses = ReadonlyMap<string, PausedBy | null>;

/** The reports that the run was not sent yet: of pauses that began, and of those that it knows and that are over. */
export function pauseReports(
  health: RunHealth | undefined,
  progress: Progress,
  reported: ReportedPauses,
): PauseReport[] {
  const paused = new Map(
    (health?.paused ?? []).map(({ activityId, at, by, reason }) => [activityId, { at, by, reason }]),
  );
  const known = new Map<string, PausedBy | null>();
  for (const member of progress.members) {
    if (member.activityId !== undefined && member.paused) known.set(member.activityId, member.paused);
  }
  for (const [activityId, pause] of reported) known.set(activityId, pause);
  const begun = [...paused].filter(([activityId, pause]) => !isSame(known.get(activityId), pause));
  const over = [...known].filter(([activityId, pause]) => pause !== null && !paused.has(activityId));
  return [
    ...begun.map(([activityId, pause]) => ({ activityId, paused: pause })),
    ...over.map(([activityId]) => ({ activityId, paused: null })),
  ];
}

function isSame(known: PausedBy | null | undefined, now: PausedBy): boolean {
  return known?.at === now.at && known.by === now.by && known.reason === now.reason;
}
