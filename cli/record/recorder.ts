/** The recorder of a process. */
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Closer } from '../runtime';
import * as lazy from '../lazy';
import type { RecordOptions } from '../options';
import { isDatabase, openStore } from './location';

/**
 * Records what Temporal has and the record lacks, until it is closed. Several processes on one database may: an event is on record once.
 *
 * @throws CliError as `openStore`.
 */
export async function startRecording(
  options: RecordOptions,
  client: Client,
  logger: Logger,
): Promise<Closer> {
  const { startRecorder, temporalHistories } = lazy.record();
  let owns = true;
  const store = await openStore(options, () => {
    owns = false;
    logger.error('another process has taken the record over, recording no more');
  });
  const temporal = temporalHistories(client, lazy.encryption().configuredDecoder());
  const recorder = startRecorder({ store, temporal, logger }, () => owns);
  logger.info({ record: withoutPassword(options.record ?? '') }, 'records runs');
  return async () => {
    await recorder.stop();
    await store.close();
  };
}

/** Where a record is, without what is secret in its address: passwords may hold `@`, and be parameters too. */
export function withoutPassword(where: string): string {
  if (!isDatabase(where)) return where;
  if (!URL.canParse(where)) return 'postgres:';
  const address = new URL(where);
  address.password = '';
  address.search = '';
  return address.href;
}
