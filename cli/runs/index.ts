/** Runs as Temporal lists them, and what open ones are stuck on. */
export { listRuns, runsQuery, type RunFilter, type RunRow } from './list';
export { stuckOf, stuckRuns, type StuckMember, type StuckRun } from './stuck';
