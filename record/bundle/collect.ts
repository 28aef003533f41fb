/** Collects what goes into a bundle: from the record, and from Temporal what the record lacks. */
import { EMPTY, link, type RecordEntry } from '../chain';
import { deriveEvents, type Derived } from '../derive';
import type { EntryFilter, RecordReader } from '../store';
import type { BundledHistory, BundledRun } from './bundle';

/** The runs of a filter, as the record has them, in the order of their first entries. */
export async function recordedRuns(reader: RecordReader, filter: EntryFilter): Promise<BundledRun[]> {
  const runs = new Map<string, BundledRun>();
  for await (const entry of reader.entries(filter)) {
    if (!('run' in entry.event)) continue;
    const { run } = entry.event;
    const known = runs.get(run.runId) ?? { run, onRecord: true, entries: [], histories: [] };
    known.entries.push(entry);
    runs.set(run.runId, known);
  }
  for (const run of runs.values()) {
    run.histories.push(...(await historiesOf(reader, run.entries)));
    if (isOpen(run.entries)) run.isOpen = true;
  }
  return [...runs.values()];
}

async function historiesOf(reader: RecordReader, entries: readonly RecordEntry[]): Promise<BundledHistory[]> {
  const histories: BundledHistory[] = [];
  for (const { event } of entries) {
    if (event.kind !== 'ExecutionRecorded') continue;
    const json = await reader.history(event.execution);
    if (json === undefined) continue;
    const { workflowId } = event.run;
    histories.push({
      execution: event.execution,
      workflowId,
      history: JSON.parse(json) as BundledHistory['history'],
    });
  }
  return histories;
}

/** Whether an execution is on record that has not ended, or one is still to come. */
function isOpen(entries: readonly RecordEntry[]): boolean {
  const ended = new Set(
    entries.flatMap(({ event }) =>
      event.kind === 'ExecutionRecorded' || event.kind === 'RunGap' ? [event.execution] : [],
    ),
  );
  return entries.some(({ event }) => {
    if (!('run' in event)) return false;
    return !ended.has(event.execution) || (event.kind === 'ContinuedAsNew' && !ended.has(event.next));
  });
}

/** A run that the record lacks: its executions as Temporal has them, in a chain of their own. */
export async function unrecordedRun(
  histories: readonly BundledHistory[],
  isOpenRun: boolean,
): Promise<BundledRun> {
  const known = new Set<string>();
  const derived: Derived[] = histories.map(({ execution, workflowId, history }) => {
    const name = { workflowId, runId: execution };
    const { before } = deriveEvents(history, name);
    known.add(execution);
    return deriveEvents(history, name, { inherits: before !== undefined && known.has(before) });
  });
  const run = derived[0]?.run;
  if (!run) throw new TypeError('a run has at least one execution');
  const events = derived.flatMap((each) => each.events.map((event) => ({ ...event, run })));
  const entries = await link(
    events,
    { installation: `export of ${run.runId}`, head: EMPTY, runHead: EMPTY },
    undefined,
  );
  return {
    run,
    onRecord: false,
    entries,
    histories: [...histories],
    ...(isOpenRun && { isOpen: true as const }),
  };
}
