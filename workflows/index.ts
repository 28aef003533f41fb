/** Deterministic orchestration: the workflow of a group, the planner that it drives, and the messages that it understands. */
export * from './messages';
export { decide, type Decision, type Start } from './decide';
export { forecast, type Forecast, type ForecastStep } from './forecast';
export { begin, receivePlan } from './run';
export type { Run } from './state';
export { virtualMachineGroup } from './virtual-machine-group';
