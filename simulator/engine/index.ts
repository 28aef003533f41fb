/** The simulated platform as a state machine: what becomes of each call, and the state that follows from the journal. Pure. */
export * from './engine';
export { placementProblem, placementVm } from './placing';
