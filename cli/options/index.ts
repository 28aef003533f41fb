/** Options and arguments that several commands share. Loads nothing but Commander. */
export { defaultActor } from './actor';
export { groupArgument, optionalGroupArgument, parseNames, parseObjectName, parsePort } from './arguments';
export {
  boardHostOption,
  boardPortOption,
  withBoard,
  withBoardLinks,
  type BoardLinkOptions,
  type BoardOptions,
} from './board';
export {
  clusterFlags,
  isOnCluster,
  leaseNamespaceOption,
  SIMULATOR_ADDRESS,
  sourceOption,
  watchedNamespaces,
  withCluster,
  withSource,
  type ClusterOptions,
  type GroupOptions,
  type SourceOptions,
} from './cluster';
export { outputOption, type Format } from './output';
export {
  namedRecord,
  NO_RECORD,
  pastOption,
  recordKeyOption,
  recordOption,
  type RecordOptions,
} from './record';
export { onSameTarget, quoted } from './same-target';
export { sinceOption } from './since';
export {
  clusterPlatform,
  modeOption,
  platformsOption,
  withPlatforms,
  type PlatformOptions,
} from './platforms';
export { withData, withNamedTemporal, withTemporal, type TemporalOptions } from './temporal';
