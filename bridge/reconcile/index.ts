/** Decides what is sent to the run of a driver. */
export { decide, type Decision, type Knowledge, type Missed, type Sent } from './reconcile';
