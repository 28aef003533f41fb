/** The platform `vm-operator`: VMs that VM Operator keeps, reached through the API server alone. */
export { isPowerState, OPERATION_ANNOTATION, recordedOperation } from '../on-kubernetes';
export { APPLY_TIME, isPaused, LAST_UPDATED, powerOnChecks, recordedPlacement } from './annotations';
export { startsByItself } from './hold';
export { statusOf } from './observe';
export { VmOperatorPlatform, type VmOperatorOptions } from './platform';
export { previewPlaces, type Preview } from './preview';
export type { Lister } from './zone-room';
