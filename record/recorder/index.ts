/** Records what Temporal has and the record lacks. */
export { startRecorder, type RunningRecorder } from './loop';
export { Recorder, type PassReport, type RecorderLogger } from './recorder';
export { temporalHistories, type TemporalHistories } from './temporal-histories';
