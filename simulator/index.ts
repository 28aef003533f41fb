/** The simulated platform's own process, and the stand-in for VM Operator's VM controller. */
export { placementProblem, placementVm } from './engine';
export { readJournal } from './machine';
export { SimulatorInUseError, startSimulator, type Simulator, type SimulatorOptions } from './server';
export { VmController, type VmControllerOptions } from './vm-controller';
