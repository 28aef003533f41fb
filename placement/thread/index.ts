/** The solver in threads of its own. */
export { solveInThread, type Solve } from './pool';
