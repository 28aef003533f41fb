/** What an answer says: the score, what became of each rule, the datastores, and why there is no place. */
export { chooseDatastores } from './datastores';
export { explain } from './explain';
export { conflictMessage } from './message';
export { Outcome } from './score';
