/** The runs of a failover, and of those before it, from their histories in Temporal. No billable action. */
import type { Client } from '@temporalio/client';
import pMap from 'p-map';
import type { RunTimeline } from '../../board';
import type { BundledHistory, RunEvent } from '../../record';
import type { RunName } from '../export/run-name';
import * as lazy from '../lazy';

/** The events of runs by run id. */
export type EventsByRun = Map<string, RunEvent[]>;

/** Executions of the group itself that are read, the newest first: to compare with the last run and the last rehearsal. */
const MOST_OWN = 15;
/** Executions of nested groups that are read for one failover. */
const MOST_NESTED = 500;
/** Histories that are read at the same time. */
const CONCURRENCY = 5;

/** One execution as visibility lists it. */
interface Execution {
  workflowId: string;
  runId: string;
  startedAt: number;
}

/** Reads them. Rejects if the server does not answer. Without such a run there are none. */
export async function temporalRuns(client: Client, { workflowId, runId }: RunName): Promise<EventsByRun> {
  const reader = new HistoryReader(client);
  const named = `WorkflowId = ${lazy.contract().quotedText(workflowId)}`;
  const until = runId === undefined ? undefined : await reader.startOf({ workflowId, runId });
  const own = await reader.listed(
    until === undefined ? named : `${named} AND StartTime <= '${until}'`,
    MOST_OWN,
  );
  // An execution that the run was continued in began after it.
  if (until !== undefined)
    own.push(...(await reader.listed(`${named} AND StartTime > '${until}'`, MOST_OWN)));
  const runs = await reader.runsOf(own);
  const { chosenRun, runsBefore, timelineOf } = lazy.board();
  const timelines = [...runs.values()].map(timelineOf);
  const top = chosenRun(timelines, workflowId, runId);
  if (!top) return runs;
  const { lastRun, lastTest } = runsBefore(top, timelines);
  for (const each of [top, lastRun, lastTest]) {
    if (!each || !hasNested(each)) continue;
    for (const [id, events] of await reader.runsOf(await reader.listed(duringQuery(each), MOST_NESTED)))
      runs.set(id, events);
  }
  return runs;
}

function hasNested({ plan }: RunTimeline): boolean {
  return (plan?.tiers ?? []).some(({ members }) =>
    members.some(({ kind }) => kind === 'VirtualMachineGroup'),
  );
}

/** Runs of other groups of the tree during a run. */
function duringQuery({ run, startedAt, endedAt }: RunTimeline): string {
  const { OPEN_QUERY, quotedText: quoted, searchAttributeKeys: keys } = lazy.contract();
  const time = (at: number): string => `'${new Date(at).toISOString()}'`;
  return [
    `${keys.namespace.name} = ${quoted(run.namespace)}`,
    `${keys.root.name} = ${quoted(run.root)}`,
    `WorkflowId != ${quoted(run.workflowId)}`,
    `StartTime <= ${time(endedAt ?? Date.now())}`,
    `(CloseTime >= ${time(startedAt)} OR ${OPEN_QUERY})`,
  ].join(' AND ');
}

/** Lists executions, and reads their events. */
class HistoryReader {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  /** The first whole millisecond after the start of an execution, ISO 8601; undefined: Temporal does not have it. */
  async startOf({ workflowId, runId }: Required<RunName>): Promise<string | undefined> {
    const { WorkflowNotFoundError } = lazy.temporalClient();
    try {
      const { startTime } = await this.#client.workflow.getHandle(workflowId, runId).describe();
      return new Date(startTime.getTime() + 1).toISOString();
    } catch (error: unknown) {
      if (error instanceof WorkflowNotFoundError) return undefined;
      throw error;
    }
  }

  async listed(query: string, most: number): Promise<Execution[]> {
    const found: Execution[] = [];
    const all = `${lazy.contract().RUNS_QUERY} AND ${query}`;
    for await (const info of this.#client.workflow.list({ query: all, pageSize: most })) {
      const { workflowId, runId, startTime } = info;
      found.push({ workflowId, runId, startedAt: startTime.getTime() });
      if (found.length >= most) break;
    }
    return found;
  }

  async runsOf(executions: readonly Execution[]): Promise<EventsByRun> {
    const { deriveEvents, temporalHistories, unrecordedRun } = lazy.record();
    const temporal = temporalHistories(this.#client, lazy.encryption().configuredDecoder());
    const sorted = [...executions].sort((a, b) => a.startedAt - b.startedAt);
    const read = await pMap(sorted, (each) => temporal.history(each), { concurrency: CONCURRENCY });
    const byRun = new Map<string, BundledHistory[]>();
    for (const [index, json] of read.entries()) {
      const execution = sorted[index];
      // Deleted since it was listed.
      if (json === undefined || !execution) continue;
      const history = JSON.parse(json) as BundledHistory['history'];
      const { run } = deriveEvents(history, execution);
      const known = byRun.get(run.runId) ?? [];
      byRun.set(run.runId, known);
      known.push({ execution: execution.runId, workflowId: execution.workflowId, history });
    }
    const runs: EventsByRun = new Map();
    for (const [runId, histories] of byRun) {
      const { entries } = await unrecordedRun(histories, false);
      runs.set(
        runId,
        entries.map(({ event }) => event as RunEvent),
      );
    }
    return runs;
  }
}
