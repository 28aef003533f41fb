/** The simulated platform: its server, its client, its console and its journal. */
export { SimulatedPlatform } from './client';
export { SimulatorConsole, type NamedVm } from './console';
export type * from './entries';
export { readJournal } from './journal';
export { SimulatorInUseError } from './lock';
export { placementProblem, placementVm } from './placing';
export type { StandingVm } from './protocol';
export { startSimulator, type Simulator, type SimulatorOptions } from './server';
export { startVmController, type VmController, type VmControllerOptions } from './vm-controller';
