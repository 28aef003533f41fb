/** The status of groups, and where it is kept. */
export {
  groupView,
  rfc3339,
  runOfView,
  unusableView,
  VIEW_API_VERSION,
  type Condition,
  type GroupPhase,
  type GroupStatus,
  type GroupView,
  type MemberStatus,
  type RunView,
} from './status';
export { fileStatusStore, memoryStatusStore, readViews, type StatusStore } from './status-store';
export { stuckRuns, type StuckReason } from './stuck-runs';
