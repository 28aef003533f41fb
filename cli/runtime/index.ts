/** What processes are made of: platforms with their watch, bridges on a folder or a cluster, logs, and a clean end. */
export { runLink, startBridgeBoard, type BridgeBoardOptions } from './board';
export { watchCluster, watchKubevirt, type WatchedCluster } from './cluster';
export { startClusterBridge } from './cluster-bridge';
export { startFolderBridge, type RunningBridge } from './folder-bridge';
export { LOG_FORMAT, logWarnings } from './logging';
export { logTo } from './log-output';
export { memberPlatforms, type PlatformChoice } from './member-platforms';
export {
  openDescribedPlatform,
  openPlatform,
  openQuietly,
  startSimulatedPlatform,
  watchSimulator,
  type RunningPlatform,
} from './platform';
export { forgetGroup, openPlatforms, readPlatforms, type RunningPlatforms } from './platforms';
export { recordedPlatform } from './recorded-platform';
export { closeAll, stopSignal, untilStopped, type Closer } from './stop';
export { hostOptions } from './libvirt';
export { vsphereConnection } from './vsphere';
export type { WebhookOptions } from './webhook';
export { workerStarts } from './workers';
