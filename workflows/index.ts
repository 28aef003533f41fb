/** Deterministic orchestration: the workflow of a group, and the planner that it drives. */
export { nextSteps, type NextSteps, type Start } from './planner';
export * from './forecast';
export { begin, receivePlan } from './plans';
export type { Run } from './state';
export { virtualMachineGroup, virtualMachineGroupCleanUp } from './virtual-machine-group';
