/** One set of tests for every store of the record. */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Client } from 'pg';
import type { RecorderGap } from '../../record';
import { signerOf, verifierOf } from '../../record/chain';
import {
  openFileReader,
  openFileStore,
  openPostgresReader,
  openPostgresStore,
  RecordError,
  type RecordStore,
} from '../../record/store';
import { startPostgres, type TestPostgres } from '../support/postgres';
import { allOf, eventsOf, expectWhole, keys } from './record-fixtures';

const { privateKey, publicKey } = keys();
const signer = signerOf(privateKey);
const verifier = verifierOf(publicKey);

let postgres: TestPostgres;
const folders: string[] = [];
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(async () => {
  await postgres.stop();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'vmgroup-record-'));
  folders.push(folder);
  return folder;
}

let databases = 0;
const STORES: Record<string, () => Promise<() => Promise<RecordStore>>> = {
  files: async () => {
    const folder = newFolder();
    return () => openFileStore(folder, { signer });
  },
  PostgreSQL: async () => {
    databases += 1;
    const url = await postgres.database(`record_${databases}`);
    return () => openPostgresStore(url, signer);
  },
};

describe.each(Object.entries(STORES))('%s', (_name, make) => {
  test('CHAIN-1: what was appended is read again, by the next process too, in whole and signed chains', async () => {
    const open = await make();
    const first = await open();
    await first.append(eventsOf('a').slice(0, 1), 0);
    await first.append(eventsOf('b'), 0);
    await first.append(eventsOf('a').slice(1), 1);
    await first.appendGap({
      kind: 'RecorderGap',
      time: '2026-01-02T00:00:00.000Z',
      source: { from: 'Recorder' },
      since: '2026-01-01T00:00:00.000Z',
      until: '2026-01-02T00:00:00.000Z',
      reason: 'away',
    });
    const installation = await first.installation();
    await first.close();
    const second = await open();
    await second.append(eventsOf('c'), 0);
    const entries = await allOf(second);
    expect(
      entries.map(({ event }) => ('run' in event ? `${event.run.group} ${event.kind}` : event.kind)),
    ).toEqual([
      'a ExecutionStarted',
      ...['b ExecutionStarted', 'b CommandReceived', 'b ExecutionRecorded'],
      ...['a CommandReceived', 'a ExecutionRecorded'],
      'RecorderGap',
      ...['c ExecutionStarted', 'c CommandReceived', 'c ExecutionRecorded'],
    ]);
    expect(entries.filter(({ signature }) => signature !== undefined)).toHaveLength(4);
    expect(new Set(entries.map((entry) => entry.installation))).toEqual(new Set([installation]));
    expect(entries[4]?.event).toEqual(eventsOf('a')[1]);
    await expectWhole(entries, verifier);
    expect(await second.head()).toEqual({ number: 10, hash: entries.at(-1)?.hash });
    await second.close();
  });

  test('what separates lines outside of JSON is part of a text', async () => {
    const store = await (await make())();
    const reason = 'one\u2028two\u2029three\rfour\u0085five';
    await store.append(
      eventsOf('a').map((event) => (event.kind === 'CommandReceived' ? { ...event, reason } : event)),
      0,
    );
    const entries = await allOf(store);
    expect(entries[1]?.event).toMatchObject({ reason });
    await expectWhole(entries, verifier);
    await store.close();
  });

  test('RECORD-7: what another process has appended already is refused', async () => {
    const store = await (await make())();
    expect(await store.execution('a-1')).toBeUndefined();
    await store.append(eventsOf('a').slice(0, 1), 0);
    expect(await store.execution('a-1')).toEqual({ entries: 1, state: 'Seen', workflowId: 'vmgroup/prod/a' });
    expect(await store.seen()).toEqual([{ runId: 'a-1', workflowId: 'vmgroup/prod/a' }]);
    expect(await store.append(eventsOf('a'), 0)).toBeUndefined();
    const results = await Promise.all([1, 2, 3].map(() => store.append(eventsOf('a').slice(1), 1)));
    expect(results.filter((each) => each !== undefined)).toHaveLength(1);
    expect(await store.execution('a-1')).toMatchObject({ entries: 3, state: 'Recorded' });
    expect(await store.seen()).toEqual([]);
    await expectWhole(await allOf(store), verifier);
    await store.close();
  });

  test('entries by run, tree, kind and time', async () => {
    const store = await (await make())();
    await store.append(eventsOf('a'), 0);
    await store.append(eventsOf('b'), 0);
    await store.append(eventsOf('a', 'a-2'), 0);
    const count = async (filter: Parameters<RecordStore['entries']>[0]): Promise<number> =>
      (await allOf(store, filter)).length;
    expect(await count({ runId: 'a-1' })).toBe(6);
    expect(await count({ workflowId: 'vmgroup/prod/b' })).toBe(3);
    expect(await count({ root: { namespace: 'prod', name: 'root' }, kinds: ['CommandReceived'] })).toBe(3);
    expect(await count({ root: { namespace: 'test', name: 'root' } })).toBe(0);
    expect(await count({ since: eventsOf('a')[2]?.time ?? '' })).toBe(9);
    expect(await count({ since: '2027-01-01T00:00:00.000Z' })).toBe(0);
    await store.close();
  });

  test('the first history of an execution stays, and the time of the last complete pass', async () => {
    const open = await make();
    const store = await open();
    const json = JSON.stringify({ events: Array.from({ length: 2_000 }, (_, index) => ({ index })) });
    expect(await store.history('a-1')).toBeUndefined();
    await store.keepHistory('a-1', json);
    await store.keepHistory('a-1', '{}');
    expect(await store.completeAt()).toBeUndefined();
    await store.setCompleteAt(1_895_460_463_000);
    // The clock was set back.
    await store.setCompleteAt(1_795_460_463_000);
    await store.close();
    const again = await open();
    expect(await again.history('a-1')).toBe(json);
    expect(await again.completeAt()).toBe(1_795_460_463_000);
    await again.close();
  });
});

test('FILES-1, RECORD-8: a line that was cut off at any byte is removed, and the rest is whole', async () => {
  const folder = newFolder();
  const store = await openFileStore(folder);
  await store.append(eventsOf('a'), 0);
  await store.close();
  const [name = ''] = readdirSync(folder).filter((each) => each.startsWith('entries-'));
  const file = path.join(folder, name);
  const whole = readFileSync(file);
  for (const cut of [1, 2, 100, whole.length - 1]) {
    appendFileSync(file, whole.subarray(0, cut));
    expect(await allOf(await openFileReader(folder))).toHaveLength(3);
    const repaired = await openFileStore(folder);
    expect(readFileSync(file)).toEqual(whole);
    await repaired.close();
  }
  const again = await openFileStore(folder);
  await again.append(eventsOf('b'), 0);
  await expectWhole(await allOf(again));
  await again.close();
});

test('FILES-2: after a file was replaced by an older copy, what it lacks is appended again, in a whole chain', async () => {
  const folder = newFolder();
  const file = path.join(folder, 'entries-00000001.jsonl');
  const store = await openFileStore(folder);
  await store.append(eventsOf('a'), 0);
  const older = readFileSync(file);
  await store.append(eventsOf('b'), 0);
  writeFileSync(file, older);
  // The caller thinks that the record knows all of it.
  expect(await store.append(eventsOf('b'), 3)).toBeUndefined();
  expect(await store.execution('b-1')).toBeUndefined();
  await store.append(eventsOf('b'), 0);
  await store.close();
  const again = await openFileStore(folder);
  expect(await allOf(again)).toHaveLength(6);
  await expectWhole(await allOf(again));
  await again.close();
});

test('FILES-1: nothing is appended to a damaged record', async () => {
  const folder = newFolder();
  const store = await openFileStore(folder);
  await store.append(eventsOf('a'), 0);
  await store.append(eventsOf('b'), 0);
  await store.close();
  const file = path.join(folder, 'entries-00000001.jsonl');
  const [first = '', second = ''] = readFileSync(file, 'utf8').split('\n');
  for (const text of [`${second}\n`, `${first}\n{}\n${second}\n`, `${first}\n${first}\n`]) {
    writeFileSync(file, text);
    await expect(openFileStore(folder)).rejects.toThrow(RecordError);
  }
});

test('one process appends to a folder at a time', async () => {
  const folder = newFolder();
  const store = await openFileStore(folder);
  await expect(openFileStore(folder)).rejects.toThrow(/appends to the record .* already/);
  await store.close();
  await (await openFileStore(folder)).close();
  await expect(openFileReader(newFolder())).rejects.toThrow(/has no record/);
});

test('RECORD-7: a process whose folder was taken over writes nothing more', async () => {
  const folder = newFolder();
  const former = await openFileStore(folder);
  await former.append(eventsOf('a'), 0);
  // As a process does that finds the lock stale.
  rmSync(path.join(folder, 'record.lock'));
  const holder = await openFileStore(folder);
  await holder.append(eventsOf('b'), 0);
  await holder.setCompleteAt(2_000);
  const gap: RecorderGap = {
    kind: 'RecorderGap',
    time: '2026-01-02T00:00:00.000Z',
    source: { from: 'Recorder' },
    since: '2026-01-01T00:00:00.000Z',
    until: '2026-01-02T00:00:00.000Z',
    reason: 'away',
  };
  for (const write of [
    () => former.append(eventsOf('c'), 0),
    () => former.appendGap(gap),
    () => former.keepHistory('c-1', '{}'),
    () => former.setCompleteAt(1_000),
  ])
    await expect(write()).rejects.toThrow(
      new RecordError(`another process has taken over the record in ${folder}`),
    );
  await former.close();
  await holder.append(eventsOf('d'), 0);
  expect(await holder.history('c-1')).toBeUndefined();
  expect(await holder.completeAt()).toBe(2_000);
  const entries = await allOf(holder);
  expect(entries).toHaveLength(9);
  await expectWhole(entries);
  await holder.close();
});

test('RECORD-6, RECORD-7: PostgreSQL refuses to change an entry, and many processes at once make no fork', async () => {
  const url = await postgres.database('record_many');
  const stores = await Promise.all([1, 2, 3, 4].map(() => openPostgresStore(url, signer)));
  const names = Array.from({ length: 10 }, (_, index) => `run-${index}`);
  await Promise.all(stores.flatMap((store) => names.map((name) => store.append(eventsOf(name), 0))));
  const [store] = stores as [RecordStore];
  const entries = await allOf(store);
  expect(entries).toHaveLength(30);
  await expectWhole(entries, verifier);
  const client = new Client({ connectionString: url });
  await client.connect();
  for (const change of [
    "UPDATE vmgroup_record.entries SET entry = ''",
    'DELETE FROM vmgroup_record.histories',
  ])
    await expect(client.query(change)).rejects.toThrow('append-only');
  await client.end();
  for (const each of stores) await each.close();
});

test('a record in PostgreSQL is read without a right to write, as on a standby, and without creating one', async () => {
  const url = await postgres.database('record_read');
  await expect(openPostgresReader(url)).rejects.toThrow(/record_read has no record/);
  const store = await openPostgresStore(url);
  await store.append(eventsOf('a'), 0);
  await store.keepHistory('a-1', '{"events":[]}');
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query('ALTER DATABASE record_read SET default_transaction_read_only = on');
  await client.end();
  const reader = await openPostgresReader(url);
  expect(await reader.installation()).toBe(await store.installation());
  await expectWhole(await allOf(reader));
  expect(await reader.history('a-1')).toBe('{"events":[]}');
  for (const each of [reader, store]) await each.close();
});

test('a database that does not answer is an error with its reason', async () => {
  await expect(openPostgresStore('postgres://test@127.0.0.1:1/none')).rejects.toThrow(/ECONNREFUSED/);
});
