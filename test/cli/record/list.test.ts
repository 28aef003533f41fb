/** `vmgroup record list` of a record of which not everything is in memory at once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { listRecord, type RecordListOptions } from '../../../cli/record/list';
import { eventsAsCsv, type RecordEntry } from '../../../record';
import { openFileStore } from '../../../record/store';
import { allOf, eventsOf } from '../../record/record-fixtures';

const folder = mkdtempSync(path.join(tmpdir(), 'vmgroup-list-'));
let entries: RecordEntry[];
beforeAll(async () => {
  const store = await openFileStore(folder);
  for (let run = 0; run < 400; run += 1) await store.append(eventsOf(`run-${run}`), 0);
  entries = await allOf(store);
  await store.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What is written, write by write. */
async function written(output: RecordListOptions['output'], group?: string): Promise<string[]> {
  const spy = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    await listRecord(group === undefined ? undefined : { namespace: 'prod', name: group }, {
      data: 'none',
      record: folder,
      output,
    });
    return spy.mock.calls.map(([text]) => String(text));
  } finally {
    spy.mockRestore();
  }
}

test('JSON and CSV are written in parts, which are one document', async () => {
  const json = await written('json');
  expect(json.length).toBeGreaterThan(2);
  expect(JSON.parse(json.join(''))).toEqual(entries);
  expect(json.join('')).toMatch(/^\[\n {2}\{\n {4}"chain": \{\n[^]*\n {2}\}\n\]\n$/);
  const csv = await written('csv');
  expect(csv.length).toBeGreaterThan(2);
  expect(csv.join('')).toBe(eventsAsCsv(entries));
});

test('a table has a row for each entry, and nothing that steers the terminal', async () => {
  const lines = (await written('table')).join('').split('\n');
  expect(lines[0]).toMatch(/^NO +TIME +GROUP +WHO +WHAT +DETAIL$/);
  expect(lines[2]).toMatch(/^2 +2026-\S+ +prod\/run-0 +anna +pause +INC-1 \P{Control}+"é"$/u);
  expect(lines).toHaveLength(entries.length + 2);
});

test('without entries they are an empty list, and a heading', async () => {
  expect((await written('json', 'other')).join('')).toBe('[]\n');
  expect((await written('csv', 'other')).join('')).toBe(eventsAsCsv([]));
  expect((await written('table', 'other')).join('')).toMatch(/^NO +TIME [^\n]*\n$/);
});
