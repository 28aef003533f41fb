/** Beside VM Operator's group controller: what is read from and reported in annotations, and what is not written. */
export { joinedSource } from './joined-source';
export { companionParts } from './parts';
export { viewOfSummary } from './summary';
