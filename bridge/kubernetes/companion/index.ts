/** For a bridge alongside VM Operator's group controller: what it reads from and reports in annotations, and what it does not write. */
export { joinedSource } from './joined-source';
export { companionParts } from './parts';
export { viewOfSummary } from './summary';
