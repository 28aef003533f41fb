/** Desired state in, runs and status out: sources, change detection, starting and signalling runs, status, events. */
export {
  startAdmissionServer,
  type AdmissionOutcome,
  type AdmissionServer,
  type AdmissionServerOptions,
} from './admission-server';
export { startBridge } from './bridge';
export { commandRights, type AdmissionUser, type CommandAccess, type CommandAttributes } from './commands';
export { EVENT_REASONS, viewEvents, type BridgeEvent, type EventObject, type EventReason } from './events';
export type { BridgeLogger } from './execute';
export {
  FIELD_MANAGER,
  joinedSource,
  otherController,
  startKubernetesBridge,
  viewOfObject,
  viewOfSummary,
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
export type { Observations } from './observed';
export type { Bridge, BridgeOptions, Readiness } from './options';
export {
  planDigest,
  plansOf,
  resolvePlan,
  resolveQuorum,
  resolveTiers,
  resolveTrees,
  wantsDigest,
  type ResolvedMember,
  type ResolvedTier,
  type World,
} from './plans';
export {
  chooseSend,
  type DriverFacts,
  type SendDecision,
  type SentPlan,
  type UnmetMember,
} from './reconcile';
export { askerAnnotations, requestRun, watchRequests, type RunRequest } from './requests';
export {
  endText,
  readPastRuns,
  readRunEnding,
  readRunHealth,
  TaskQueuePollers,
  readWaits,
  withWaits,
  runHealth,
  type RunState,
} from './runs';
export type { RunHealth } from '../insight';
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
export { STAMPED_USER, Stamps, type Stamp } from './stamps';
export {
  fileStatusStore,
  groupView,
  readViews,
  stuckRuns,
  VIEW_API_VERSION,
  type Condition,
  type GroupPhase,
  type GroupStatus,
  type GroupView,
  type MemberStatus,
  type RunView,
  type StatusStore,
  type StuckReason,
} from './status';
