/** Drives a run in Temporal's sandbox: messages, activities, timers, the loop. All else in `workflows/` is pure. */
export { GroupRun } from './group-run';
export { noteTrace, runInForce, type RunInForce } from './run-in-force';
