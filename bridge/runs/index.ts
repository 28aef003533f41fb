/** The runs of groups as Temporal has them: finding, following and messaging them, and what keeps them from going on. */
export { groupRuns, type GroupRuns } from './group-runs';
export type { HeardMember } from './heard-members';
export { readPastRuns } from './past-runs';
export { readRunEnding } from './read-run-ending';
export { readRunHealth } from './read-run-health';
export { TaskQueuePollers } from './task-queues';
export { runHealth } from './run-health';
export type { MissedEnd } from './run-notices';
export { endText, type RunEnding, type RunState } from './run-state';
export { temporalRuns } from './server-runs';
export type { TemporalRuns } from './temporal-runs';
export { readWaits, withWaits } from './waits';
