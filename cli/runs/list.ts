/** The runs that Temporal knows, as rows. */
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import type { ObjectName } from '../../api';
import * as lazy from '../lazy';

/** A run, as `get runs` prints it. */
export interface RunRow {
  namespace: string;
  group: string;
  workflowId: string;
  runId: string;
  /** The outcome of a closed run, the phase of an open one. */
  phase: string;
  powerState?: string;
  root?: string;
  parked: string[];
  /** ISO 8601. */
  startedAt: string;
  endedAt?: string;
}

/** Which runs are listed; an absent field chooses none out. */
export interface RunFilter {
  group?: ObjectName;
  /** The group whose run drives the tree: a whole failover. */
  root?: ObjectName;
  /** Open, or ended since this time, milliseconds since the epoch. */
  since?: number;
  /** Open, and an operator is waited for: a member is parked or missing, or the run is paused. */
  stuck?: boolean;
}

/** Temporal's list filter for these runs. Names have the characters that Kubernetes allows, so none ends a quoted text. */
function runsQuery({ group, root, since, stuck }: RunFilter): string {
  const { OPEN_QUERY, RUNS_QUERY, workflowId, searchAttributeKeys: keys } = lazy.contract();
  return [
    RUNS_QUERY,
    ...(group ? [`WorkflowId = '${workflowId(group.namespace, group.name)}'`] : []),
    ...(root ? [`${keys.namespace.name} = '${root.namespace}'`, `${keys.root.name} = '${root.name}'`] : []),
    ...(since === undefined ? [] : [`(${OPEN_QUERY} OR CloseTime >= '${new Date(since).toISOString()}')`]),
    ...(stuck
      ? [OPEN_QUERY, `(${keys.parked.name} IS NOT NULL OR ${keys.phase.name} IN ('Waiting', 'Paused'))`]
      : []),
  ].join(' AND ');
}

/** The newest of these runs, at most `limit`. */
export async function listRuns(client: Client, filter: RunFilter, limit: number): Promise<RunRow[]> {
  const rows: RunRow[] = [];
  for await (const run of client.workflow.list({ query: runsQuery(filter) })) {
    rows.push(runRow(run));
    if (rows.length >= limit) break;
  }
  return rows;
}

function runRow(run: WorkflowExecutionInfo): RunRow {
  const { searchAttributeKeys } = lazy.contract();
  const attributes = run.typedSearchAttributes;
  const [, namespace = '', group = ''] = run.workflowId.split('/');
  const powerState = attributes.get(searchAttributeKeys.powerState);
  const root = attributes.get(searchAttributeKeys.root);
  return {
    namespace,
    group,
    workflowId: run.workflowId,
    runId: run.runId,
    phase: phaseOrStatus(run.status.name, attributes.get(searchAttributeKeys.phase)),
    ...(powerState !== undefined && { powerState }),
    ...(root !== undefined && { root }),
    parked: attributes.get(searchAttributeKeys.parked) ?? [],
    startedAt: run.startTime.toISOString(),
    ...(run.closeTime && { endedAt: run.closeTime.toISOString() }),
  };
}

/** The phase, unless the run was ended from outside: then Temporal's status says how. */
function phaseOrStatus(status: string, phase: string | undefined): string {
  if (status === 'RUNNING' || status === 'COMPLETED' || status === 'CONTINUED_AS_NEW') return phase ?? status;
  return status;
}
