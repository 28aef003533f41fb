/** The record: every fact of every run, append-only, hash-chained and signed, for longer than Temporal keeps histories. */
export {
  BundleError,
  makeBundle,
  readBundle,
  recordedRuns,
  unrecordedRun,
  verifyBundle,
  type Bundle,
  type BundledHistory,
  type BundledRun,
  type Fault,
  type Replay,
  type VerifyOptions,
} from './bundle';
export { SigningKeyError, signerOf, verifierOf, type RecordEntry, type Signer, type Verifier } from './chain';
export {
  deriveEvents,
  HistoryError,
  planChanges,
  WITHOUT_MEANING,
  type Derived,
  type DeriveOptions,
  type ExecutionName,
} from './derive';
export { eventLine, eventsAsCsv, type EventLine } from './event-lines';
export type * from './events';
export type * from './facts';
export {
  Recorder,
  startRecorder,
  temporalHistories,
  type PassReport,
  type RecorderLogger,
  type RunningRecorder,
  type TemporalHistories,
} from './recorder';
export {
  openFileReader,
  openFileStore,
  openPostgresReader,
  openPostgresStore,
  RecordError,
  type EntryFilter,
  type RecordReader,
  type RecordStore,
} from './store';
