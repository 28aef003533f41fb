/** The simulated platform at work, with its journal on disk. */
export { readJournal } from './journal';
export { Machine } from './machine';
