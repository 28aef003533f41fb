/** `vmgroup record list`. */
import type { ObjectName } from '../../api';
import type { EntryFilter, RecordEntry } from '../../record';
import * as lazy from '../lazy';
import type { RecordOptions } from '../options';
import { print, printData, table } from '../output';
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

/** Prints entries. Throws CliError if the record cannot be read. */
export async function listRecord(group: ObjectName | undefined, options: RecordListOptions): Promise<void> {
  const reader = await openReader(options);
  try {
    const entries: RecordEntry[] = [];
    for await (const entry of reader.entries(filterOf(group, options))) entries.push(entry);
    const { output } = options;
    if (output === 'csv') printData(lazy.record().eventsAsCsv(entries));
    else print(output, entries, entryTable);
  } finally {
    await reader.close();
  }
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

function entryTable(entries: RecordEntry[]): string {
  const { eventLine } = lazy.record();
  return table<RecordEntry>(
    [
      { head: 'NO', of: ({ chain }) => String(chain.number) },
      { head: 'TIME', of: ({ event }) => event.time },
      {
        head: 'GROUP',
        of: ({ event }) => ('run' in event ? `${event.run.namespace}/${event.run.group}` : ''),
      },
      { head: 'WHO', of: ({ event }) => eventLine(event).who },
      { head: 'WHAT', of: ({ event }) => eventLine(event).what },
      { head: 'DETAIL', prose: true, of: ({ event }) => eventLine(event).detail ?? '' },
    ],
    entries,
  );
}
