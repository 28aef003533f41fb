/** The planner: what a run does next, as a pure function of its state and the time. */
export { nextSteps, openStarts } from './next-steps';
export { outcomeWithoutPlan } from './outcome';
export { waitsForPlace } from './places';
export { nextId, powerStateOf, shorten, workOf, type NextSteps, type Start } from './steps';
