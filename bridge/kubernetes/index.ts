/** Desired state, status and ownership as objects of a cluster. */
export { otherController, type OtherController } from './other-controller';
export {
  startKubernetesBridge,
  type KubernetesBridge,
  type KubernetesBridgeOptions,
  type KubernetesFigures,
} from './start';
export { joinedSource, viewOfSummary } from './companion';
export { viewOfObject } from './stored-status';
export { FIELD_MANAGER } from './field-manager';
