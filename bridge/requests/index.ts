/** Runs that operators ask for. */
export { PendingRequests } from './pending-requests';
export { requestRun, watchRequests, type RunRequest } from './run-requests';
export { askerAnnotations, syncAsker, type Asker } from './sync-asker';
