/** The platform `kubevirt`: VMs of KubeVirt, reached through the API server alone. */
export { recordedOperation } from '../on-kubernetes';
export { powerStateOf } from './course';
export { inventoryOf } from './existing';
export {
  conditionOf,
  holds,
  isFinal,
  strategyOf,
  trimInstance,
  trimMachine,
  trimNode,
  type KubevirtInstance,
  type KubevirtMachine,
  type KubevirtNode,
} from './objects';
export { KubevirtPlatform, type KubevirtOptions } from './platform';
