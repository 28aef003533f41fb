/** The record: every fact of every run, append-only, hash-chained and signed, for longer than Temporal keeps histories. */
export {
  deriveEvents,
  HistoryError,
  WITHOUT_MEANING,
  type Derived,
  type DeriveOptions,
  type ExecutionName,
} from './derive';
export type * from './events';
export type * from './facts';
