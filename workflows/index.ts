/** Deterministic orchestration: the workflow of a group, and the planner that it drives. */
export { decide, type Decision, type Start } from './decide';
export { forecast, type Forecast, type ForecastStep } from './forecast';
export { begin, receivePlan } from './run';
export type { Run } from './state';
export { virtualMachineGroup } from './virtual-machine-group';
