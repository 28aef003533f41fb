/** The files of a record beyond 64 MiB, as they are on a disk: FILES-1, and a chain that leads from one file to the next. */
import { appendFileSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { RunEvent } from '../../record';
import { openFileReader, openFileStore } from '../../record/store';
import { allOf, eventsOf, expectWhole } from './record-fixtures';

jest.setTimeout(120_000);

const MIB = 2 ** 20;
const dir = mkdtempSync(path.join(tmpdir(), 'vmgroup-rotation-'));
const folder = path.join(dir, 'record');
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The events of a run, with a reason of 2 MiB. */
const large = (name: string): RunEvent[] =>
  eventsOf(name).map((event) =>
    event.kind === 'CommandReceived' ? { ...event, reason: 'x'.repeat(2 * MIB) } : event,
  );
const files = (): string[] => readdirSync(folder).filter((name) => name.startsWith('entries-'));
const fileOf = (name: string): string => path.join(folder, name);

test('beyond 64 MiB another file is begun, and all files are one chain, for the next process too', async () => {
  let store = await openFileStore(folder);
  for (let run = 0; run < 32; run += 1) await store.append(large(`run-${run}`), 0);
  expect(files()).toEqual(['entries-00000001.jsonl']);
  expect(statSync(fileOf('entries-00000001.jsonl')).size).toBeGreaterThan(64 * MIB);
  await store.append(large('next'), 0);
  expect(files()).toEqual(['entries-00000001.jsonl', 'entries-00000002.jsonl']);
  await store.close();

  store = await openFileStore(folder);
  await store.append(eventsOf('last'), 0);
  // Nothing is added to a file that was full.
  expect(statSync(fileOf('entries-00000001.jsonl')).size).toBeLessThan(67 * MIB);
  await store.close();
  const reader = await openFileReader(folder);
  const entries = await allOf(reader);
  expect(entries).toHaveLength(34 * 3);
  await expectWhole(entries);
});

test('FILES-1: a line that a crash has cut off in the second file is removed; damage in the first one is an error', async () => {
  appendFileSync(fileOf('entries-00000002.jsonl'), '[{"chain":{"number":');
  const store = await openFileStore(folder);
  await store.append(eventsOf('after'), 0);
  await store.close();
  await expectWhole(await allOf(await openFileReader(folder)));
  appendFileSync(fileOf('entries-00000001.jsonl'), '[]x\n');
  await expect(allOf(await openFileReader(folder))).rejects.toThrow(/entries-00000001\.jsonl:\d+ is damaged/);
});
