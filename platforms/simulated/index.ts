/** The simulated platform: its client, its console, and what travels between them and its process. */
export { SimulatedPlatform } from './client';
export { SimulatorConsole, type NamedVm } from './console';
export * from './journal-lines';
export * from './protocol';
