/** The simulated platform at work, with its journal on disk. */
export { readJournal } from './journal';
export type { Watcher } from './journaled-state';
export { Machine } from './machine';
