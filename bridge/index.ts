/** Desired state in, runs and status out: sources, change detection, starting and signalling runs, status, events. */
export {
  startAdmissionServer,
  type AdmissionOutcome,
  type AdmissionServer,
  type AdmissionServerOptions,
} from './admission-server';
export {
  startBridge,
  type Bridge,
  type BridgeLogger,
  type BridgeOptions,
  type Observations,
  type Readiness,
  type VirtualMachineName,
} from './bridge';
export { planDigest, wantsDigest } from './desired';
export { viewEvents, type BridgeEvent, type EventObject, type EventReason } from './events';
export type { GroupName } from './group-runs';
export { healthFindings, type HealthFinding } from './health-findings';
export {
  FIELD_MANAGER,
  FINALIZER,
  LEASE_NAME,
  otherController,
  startKubernetesBridge,
  viewOfObject,
  type KubernetesBridge,
  type KubernetesBridgeOptions,
  type KubernetesFigures,
  type OtherController,
} from './kubernetes';
export {
  driverOf,
  indexManifests,
  objectKey,
  topOf,
  treeOf,
  type ManifestIndex,
  type ObjectKey,
} from './manifests';
export { decide, type Decision, type Knowledge, type Missed, type RunState, type Sent } from './reconcile';
export {
  plansOf,
  resolvePlan,
  resolveQuorum,
  resolveTiers,
  resolveTrees,
  type ResolvedMember,
  type ResolvedTier,
  type World,
} from './resolve';
export { readRunHealth } from './read-run-health';
export { requestRun, watchRequests, type RunRequest } from './run-requests';
export {
  runHealth,
  type FailingWorkflowTask,
  type PausedActivity,
  type PausedRun,
  type RunHealth,
  type TaskFailure,
} from './run-health';
export { stuckRuns, type StuckReason } from './stuck-runs';
export {
  directorySource,
  manifestReader,
  readingProblems,
  type DirectorySourceOptions,
  type ManifestFile,
  type ManifestFiles,
  type Source,
  type SourceState,
} from './source';
export { askerAnnotations } from './sync-asker';
export {
  groupView,
  VIEW_API_VERSION,
  type Condition,
  type GroupPhase,
  type GroupStatus,
  type GroupView,
  type MemberStatus,
  type RunView,
} from './status';
export { fileStatusStore, memoryStatusStore, readViews, type StatusStore } from './status-store';
