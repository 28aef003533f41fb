/** The status of groups, and where it is kept. */
export { rfc3339 } from './conditions';
export { groupView, unusableView } from './group-view';
export { runOfView } from './last-run';
export { fileStatusStore, readViews, type StatusStore } from './status-store';
export { stuckRuns, type StuckReason } from './stuck-runs';
export {
  VIEW_API_VERSION,
  type Condition,
  type GroupPhase,
  type GroupStatus,
  type GroupView,
  type MemberStatus,
  type RunView,
} from './view';
