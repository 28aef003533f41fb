/** `vmgroup record list`. */
import type { ObjectName } from '../../api';
import type { EntryFilter, EventLine, RecordEntry } from '../../record';
import * as lazy from '../lazy';
import type { RecordOptions } from '../options';
import { jsonText, legible, printData, printStyled, table } from '../output';
import { openReader } from './location';

/** Options of `record list`. */
export interface RecordListOptions extends RecordOptions {
  /** Path of the data folder. */
  data: string;
  root?: ObjectName;
  /** Milliseconds since the epoch. */
  since?: number;
  output: 'table' | 'json' | 'csv';
}

/** Entries that are printed together: a record may have more than fit into memory, or into one text. */
const BATCH = 500;

/** Prints entries. Throws CliError if the record cannot be read. */
export async function listRecord(group: ObjectName | undefined, options: RecordListOptions): Promise<void> {
  const reader = await openReader(options);
  try {
    const entries = reader.entries(filterOf(group, options));
    const { output } = options;
    if (output === 'table') await printTable(entries);
    else await (output === 'csv' ? printCsv(entries) : printJson(entries));
  } finally {
    await reader.close();
  }
}

async function* batchesOf(entries: AsyncIterable<RecordEntry>): AsyncGenerator<RecordEntry[]> {
  let batch: RecordEntry[] = [];
  for await (const entry of entries) {
    if (batch.push(entry) < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

async function printCsv(entries: AsyncIterable<RecordEntry>): Promise<void> {
  const { eventsAsCsv } = lazy.record();
  let follows = false;
  for await (const batch of batchesOf(entries)) {
    printData(eventsAsCsv(batch, { follows }));
    follows = true;
  }
  if (!follows) printData(eventsAsCsv([]));
}

async function printJson(entries: AsyncIterable<RecordEntry>): Promise<void> {
  let before = '[\n';
  for await (const batch of batchesOf(entries)) {
    const texts = batch.map((entry) => `  ${jsonText(entry, 2).replaceAll('\n', '\n  ')}`);
    printData(before + texts.join(',\n'));
    before = ',\n';
  }
  printData(before === ',\n' ? '\n]\n' : '[]\n');
}

/** The filter of options. */
export function filterOf(
  group: ObjectName | undefined,
  { root, since }: Pick<RecordListOptions, 'root' | 'since'>,
): EntryFilter {
  return {
    ...(group && { workflowId: lazy.contract().workflowId(group.namespace, group.name) }),
    ...(root && { root }),
    ...(since !== undefined && { since: new Date(since).toISOString() }),
  };
}

/** What a table shows of an entry. */
interface EntryRow extends EventLine {
  number: number;
  group: string;
}

/** The columns are as wide as the widest of all rows, so these are kept, without their entries. */
async function printTable(entries: AsyncIterable<RecordEntry>): Promise<void> {
  const { eventLine } = lazy.record();
  const rows: EntryRow[] = [];
  for await (const { chain, event } of entries) {
    const group = 'run' in event ? `${event.run.namespace}/${event.run.group}` : '';
    rows.push(legible({ number: chain.number, group, ...eventLine(event) }));
  }
  printStyled(
    table<EntryRow>(
      [
        { head: 'NO', of: ({ number }) => String(number) },
        { head: 'TIME', of: ({ time }) => time },
        { head: 'GROUP', of: ({ group }) => group },
        { head: 'WHO', of: ({ who }) => who },
        { head: 'WHAT', of: ({ what }) => what },
        { head: 'DETAIL', prose: true, of: ({ detail }) => detail ?? '' },
      ],
      rows,
    ),
  );
}
