/** Records what Temporal has and the record lacks. */
export { startRecorder, type RunningRecorder } from './loop';
export { Recorder, type PassReport, type RecorderLogger, type RecorderOptions } from './recorder';
export { temporalHistories, type ListedExecution, type TemporalHistories } from './temporal-histories';
