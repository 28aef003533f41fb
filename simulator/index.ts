/** The simulated platform's own process, and the stand-ins for VM Operator's VM controller and group controller. */
export { placementProblem, placementVm } from './engine';
export { GroupController, UPSTREAM_MANAGER, type GroupControllerOptions } from './group-controller';
export { readJournal } from './machine';
export { SimulatorInUseError, startSimulator, type Simulator, type SimulatorOptions } from './server';
export { VmController, type VmControllerOptions } from './vm-controller';
