/** The searches: for first places or the proof that there are none, for better ones, and for the best of a few VMs. */
export { Assignment, DUST } from './assignment';
export { Budget } from './budget';
export type { Verdict } from './descent';
export { exhaust } from './exact';
export { Filling, isTight } from './fill';
export { improve, polish, repair } from './improve';
export { Random } from './random';
export { Search, search } from './search';
