/** Placement: a pure solver, the thread that runs it, and the check of its answers. */
export type * from './problem';
export { mistakes } from './check';
export { selects } from './selectors';
export { answerWith, solveChecked, solvePlacement, STOPPED_BY_CLOCK } from './solve';
export { solveInThread, type Solve } from './thread';
