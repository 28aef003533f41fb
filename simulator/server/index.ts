/** The simulated platform as a process that others call. */
export { SimulatorInUseError } from './lock';
export { startSimulator, type Simulator, type SimulatorOptions } from './server';
