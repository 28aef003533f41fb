/** One pass over one tree of groups: what to send, and what to show. */
export {
  dueLookUps,
  inheritances,
  isAsking,
  stepsOf,
  viewsOf,
  type DriverStep,
  type TreeFacts,
  type TreeSteps,
} from './pass';
