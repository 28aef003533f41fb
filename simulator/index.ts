/** The simulated platform's own process, and the stand-ins for VM Operator's VM controller and group controller, and for KubeVirt. */
export { placementProblem, placementVm } from './engine';
export { GroupController, UPSTREAM_MANAGER, type GroupControllerOptions } from './group-controller';
export { readJournal } from './machine';
export { SimulatorInUseError, startSimulator, type Simulator, type SimulatorOptions } from './server';
export { VmController, type VmControllerOptions } from './vm-controller';
export {
  FAULT,
  KubevirtController,
  kubevirtDefinitions,
  SHUTDOWN_TIME,
  START_TIME,
  startSubresourceServer,
  type Fault,
  type KubevirtControllerOptions,
  type KubevirtDeed,
  type SubresourceServer,
} from './kubevirt';
