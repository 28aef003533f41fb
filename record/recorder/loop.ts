/** Passes of the recorder, one after the other, for as long as this process leads. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Recorder, type RecorderOptions } from './recorder';

/** Milliseconds between two passes, and after one that failed. */
const PAUSE = 5_000;
const RETRY = 15_000;

/** A recorder at work. */
export interface RunningRecorder {
  /** Ends the pass under way after the execution that it records. */
  stop(): Promise<void>;
}

/** Starts passes. `isLeader`: whether this process records now. */
export function startRecorder(options: RecorderOptions, isLeader: () => boolean): RunningRecorder {
  const stopping = new AbortController();
  const { signal } = stopping;
  const recorder = new Recorder(options);
  const loop = async (): Promise<void> => {
    while (!signal.aborted) {
      let pause = PAUSE;
      try {
        if (isLeader() && (await recorder.pass(signal)).more) pause = 0;
      } catch (error: unknown) {
        options.logger.warn({ err: error, retryIn: RETRY }, 'failed to complete the record, retrying');
        pause = RETRY;
      }
      await sleep(pause, undefined, { signal }).catch(() => undefined);
    }
  };
  const running = loop();
  return {
    stop: async () => {
      stopping.abort();
      await running;
    },
  };
}
