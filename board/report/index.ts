/** The report: what a failover did, from its events on record. */
export { chosenRun, failoverOf, runsBefore, type Failover } from './failover';
export { recordedPastRun } from './past-run';
export { reportPage, type ReportInput } from './report-page';
export { timelineOf, type RunTimeline } from './timeline';
