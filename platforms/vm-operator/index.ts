/** The platform `vm-operator`: VMs that VM Operator keeps, reached through the API server alone. */
export {
  APPLY_TIME,
  isPaused,
  isPowerState,
  powerOnChecks,
  recordedOperation,
  recordedPlacement,
} from './annotations';
export { statusOf } from './observe';
export { previewPlaces, type Lister, type Preview } from './place';
export { VmOperatorPlatform, type VmOperatorOptions } from './platform';
