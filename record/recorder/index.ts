/** Records what Temporal has and the record lacks. */
export { startRecorder, type RunningRecorder } from './loop';
export type { RecorderLogger } from './context';
export { Recorder, type PassReport } from './recorder';
export { temporalHistories, type TemporalHistories } from './temporal-histories';
