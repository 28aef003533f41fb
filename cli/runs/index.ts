/** Runs as Temporal lists them, and what open ones are stuck on. */
export { listRuns, type RunRow } from './list';
export { stuckRuns, type StuckMember, type StuckRun } from './stuck';
