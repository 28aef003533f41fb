/** A recorder in a process of its own, which a test kills: `recorder-child.ts ADDRESS STORE`. */
import { Client, Connection } from '@temporalio/client';
import { Recorder, temporalHistories } from '../../record/recorder';
import { openFileStore, openPostgresStore } from '../../record/store';

async function main([address = '', where = '']: string[]): Promise<void> {
  const client = new Client({ connection: await Connection.connect({ address }) });
  const store = where.startsWith('postgres:') ? await openPostgresStore(where) : await openFileStore(where);
  const logger = { info: () => undefined, warn: () => undefined };
  const recorder = new Recorder({ store, temporal: temporalHistories(client), logger });
  process.stdout.write('ready\n');
  for (;;) {
    const { recorded, more } = await recorder.pass();
    if (recorded === 0 && !more) process.stdout.write('idle\n');
  }
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  process.exit(1);
});
