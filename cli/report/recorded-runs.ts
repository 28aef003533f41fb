/** The runs of a failover, and of those before it, from the record: of years of runs only those that a report needs are kept in memory. */
import type { EntryFilter, EventKind, RecordReader, RunEvent } from '../../record';
import type { RunName } from '../export/run-name';
import type { EventsByRun } from './temporal-runs';

/** What is known of a run before its events are read. Times are milliseconds since the epoch. */
export interface RunHeader {
  runId: string;
  workflowId: string;
  executions: Set<string>;
  from: number;
  /** Infinity: it is open. */
  to: number;
  isTest: boolean;
}

/** Runs of the group before the chosen one that are read, and rehearsals among those before them. */
const MOST_BEFORE = 15;
const MOST_TESTS = 3;

const HEADER_KINDS: readonly EventKind[] = [
  ...(['ExecutionStarted', 'ExecutionReset', 'PlanReceived', 'RunGap'] as const),
  ...(['RunCompleted', 'RunTerminated', 'RunFailed', 'RunCancelled', 'RunTimedOut'] as const),
];

/** Reads them. Rejects if the record cannot be read. Without such a run there are none. */
export async function recordedRuns(reader: RecordReader, name: RunName): Promise<EventsByRun> {
  const root = await rootOf(reader, name);
  const runs: EventsByRun = new Map();
  if (!root) return runs;
  const headers = new Map<string, RunHeader>();
  for await (const { event } of reader.entries({ root, kinds: HEADER_KINDS }))
    if ('run' in event) addTo(headers, event);
  for (const runId of wantedRuns([...headers.values()], name)) runs.set(runId, []);
  for await (const { event } of reader.entries({ root }))
    if ('run' in event) runs.get(event.run.runId)?.push(event);
  return runs;
}

/** The root of the tree that the run was in, otherwise of the one that the last run of the group was in. */
async function rootOf(reader: RecordReader, { workflowId, runId }: RunName): Promise<EntryFilter['root']> {
  let named: EntryFilter['root'];
  let last: EntryFilter['root'];
  for await (const { event } of reader.entries({ workflowId, kinds: HEADER_KINDS })) {
    if (!('run' in event)) continue;
    last = { namespace: event.run.namespace, name: event.run.root };
    if (event.run.runId === runId || event.execution === runId) named = last;
  }
  return named ?? last;
}

/** Notes what an event says of its run. */
export function addTo(headers: Map<string, RunHeader>, event: RunEvent): void {
  const { runId, workflowId } = event.run;
  const at = Date.parse(event.time);
  const known = headers.get(runId);
  const header = known ?? {
    runId,
    workflowId,
    executions: new Set<string>(),
    from: at,
    to: Infinity,
    isTest: false,
  };
  if (!known) headers.set(runId, header);
  header.executions.add(event.execution);
  header.from = Math.min(header.from, at);
  if (event.kind === 'PlanReceived') header.isTest = event.plan?.test === true;
  if (ENDS.has(event.kind)) header.to = header.to === Infinity ? at : Math.max(header.to, at);
}

const ENDS: ReadonlySet<EventKind> = new Set<EventKind>([
  ...(['RunCompleted', 'RunTerminated', 'RunFailed', 'RunCancelled', 'RunTimedOut'] as const),
]);

/** Ids of the runs that a report about one of them may show or compare with. */
export function wantedRuns(headers: readonly RunHeader[], { workflowId, runId }: RunName): Set<string> {
  const own = headers.filter((each) => each.workflowId === workflowId).sort((a, b) => a.from - b.from);
  const found =
    runId === undefined ? -1 : own.findIndex((each) => each.runId === runId || each.executions.has(runId));
  const chosen = found === -1 ? own.length - 1 : found;
  const first = Math.max(0, chosen - MOST_BEFORE);
  const tests = own
    .slice(0, first)
    .filter(({ isTest }) => isTest)
    .slice(-MOST_TESTS);
  const tops = [...tests, ...own.slice(first, chosen + 1)];
  const nested = headers.filter(
    (each) =>
      each.workflowId !== workflowId && tops.some((top) => each.from <= top.to && each.to >= top.from),
  );
  return new Set([...tops, ...nested].map((each) => each.runId));
}
