/** Requests for new runs of groups. */
export { groupSpec, isCompanionGroup, isLeftBehind, readGroupTree } from './group-tree';
export { requestNewRun, type RunRequestOptions } from './request-run';
export { patchGroup, requestRunOf } from './sync-request';
