/** `vmgroup record run`. */
import { pino } from 'pino';
import { connectTemporal, findTarget } from '../connections';
import * as lazy from '../lazy';
import type { RecordOptions, TemporalOptions } from '../options';
import { printLine } from '../output';
import { closeAll, LOG_FORMAT, logTo, stopSignal, untilStopped, type Closer } from '../runtime';
import { openStore } from './location';
import { startRecording } from './recorder';

/** Options of `record run`. */
export interface RecordRunOptions extends RecordOptions, TemporalOptions {
  /** End once nothing is missing. */
  once?: true;
}

/** Records until Ctrl-C, or until nothing is missing. Throws CliError if Temporal or the record cannot be reached. */
export async function runRecorder(options: RecordRunOptions): Promise<void> {
  const signal = stopSignal();
  const logger = pino(LOG_FORMAT, logTo(2));
  const temporal = await connectTemporal(findTarget(options));
  const closers: Closer[] = [() => temporal.close()];
  try {
    if (options.once) await recordOnce(options, temporal.client, logger, signal);
    else {
      closers.push(await startRecording(options, temporal.client, logger));
      await untilStopped(signal);
    }
  } finally {
    await closeAll(closers, logger);
  }
}

async function recordOnce(
  options: RecordRunOptions,
  client: Parameters<typeof startRecording>[1],
  logger: pino.Logger,
  signal: AbortSignal,
): Promise<void> {
  const { Recorder, temporalHistories } = lazy.record();
  const temporal = temporalHistories(client, lazy.encryption().configuredDecoder());
  const store = await openStore(options, () => undefined);
  try {
    const recorder = new Recorder({ store, temporal, logger });
    const total = { recorded: 0, gaps: 0 };
    for (let more = true; more && !signal.aborted;) {
      const report = await recorder.pass(signal);
      total.recorded += report.recorded;
      total.gaps += report.gaps;
      more = report.more;
    }
    printLine(`recorded ${total.recorded} executions, ${total.gaps} gaps`);
  } finally {
    await store.close();
  }
}
