/** Events from histories. Pure. */
export { deriveEvents, WITHOUT_MEANING, type Derived, type DeriveOptions } from './derive';
export { HistoryError } from './history';
export type { ExecutionName } from './lifecycle-facts';
export { planChanges } from './plan-changes';
