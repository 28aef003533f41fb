/** One pass over one tree of groups: from what is known to what is sent and shown. Pure. */
export { type GroupFacts, type GroupsFacts, type MachineFacts, type TreeFacts } from './facts';
export { inheritances } from './inheritances';
export { dueLookUps, type LookUp } from './look-ups';
export { missedEnds } from './missed-ends';
export { returnIn, stepsOf, type DriverStep, type TreeSteps } from './steps';
export { viewsOf } from './views';
