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

/** The newest runs of one group, or of all: at most `limit`. */
export async function listRuns(
  client: Client,
  name: ObjectName | undefined,
  limit: number,
): Promise<RunRow[]> {
  const { RUNS_QUERY, workflowId } = lazy.contract();
  const ofGroup = name ? ` AND WorkflowId = '${workflowId(name.namespace, name.name)}'` : '';
  const rows: RunRow[] = [];
  for await (const run of client.workflow.list({ query: `${RUNS_QUERY}${ofGroup}` })) {
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
