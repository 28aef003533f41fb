/** What `vmgroup doctor` says about open runs: those that take no step, and what was paused in Temporal. */
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import type { HealthFinding } from '../../bridge';
import type { Finding } from './doctor';
import { messageOf } from '../errors';
import * as lazy from '../lazy';

/** Open runs that are looked at; those that were started last. */
const MOST_RUNS = 500;
/** Runs that are asked for at the same time. */
const AT_ONCE = 20;
/** Findings that are shown one by one. */
const MOST_SHOWN = 20;
/** Longest wait for one answer, milliseconds. */
const CALL_PATIENCE = 5_000;

interface RunFinding extends HealthFinding {
  namespace: string;
  name: string;
  workflowId: string;
}

/** Looks at the open runs. Never rejects: what cannot be looked at is a finding. */
export async function examineRuns(client: Client): Promise<Finding[]> {
  try {
    const open = await openRuns(client);
    const found: RunFinding[] = [];
    for (let at = 0; at < open.length; at += AT_ONCE) {
      const some = await Promise.all(open.slice(at, at + AT_ONCE).map((run) => examineRun(client, run)));
      found.push(...some.flat());
    }
    return [...found.slice(0, MOST_SHOWN).map(asFinding), summary(open.length, found)];
  } catch (error: unknown) {
    return [{ check: 'runs', result: 'note', message: `not known: ${messageOf(error)}` }];
  }
}

async function openRuns(client: Client): Promise<WorkflowExecutionInfo[]> {
  const query = `WorkflowType = '${lazy.messages().WORKFLOW_TYPE}' AND ExecutionStatus = 'Running'`;
  const found: WorkflowExecutionInfo[] = [];
  for await (const run of client.workflow.list({ query, pageSize: MOST_RUNS })) {
    found.push(run);
    if (found.length >= MOST_RUNS) break;
  }
  return found;
}

async function examineRun(client: Client, { workflowId }: WorkflowExecutionInfo): Promise<RunFinding[]> {
  const [, namespace = '', name = ''] = workflowId.split('/');
  const { healthFindings, readRunHealth } = lazy.bridge();
  try {
    const health = await client.withDeadline(Date.now() + CALL_PATIENCE, async () =>
      readRunHealth(client, await client.workflow.getHandle(workflowId).describe()),
    );
    const findings = healthFindings({ namespace, name }, workflowId, health);
    return findings.map((finding) => ({ ...finding, namespace, name, workflowId }));
  } catch (error: unknown) {
    // Deleted since it was listed.
    if (error instanceof lazy.temporalClient().WorkflowNotFoundError) return [];
    throw error;
  }
}

/** A pause is what an operator wanted; a run that takes no step is what no one wanted. */
function asFinding({ kind, namespace, name, workflowId, activityId, message, cure }: RunFinding): Finding {
  return {
    check: `run ${namespace}/${name}`,
    result: kind === 'WorkflowTaskFailing' ? 'problem' : 'note',
    message,
    cure: cure.join(', then '),
    facts: { kind, workflowId, ...(activityId !== undefined && { activityId }), commands: cure },
  };
}

function summary(count: number, found: RunFinding[]): Finding {
  const failing = found.filter(({ kind }) => kind === 'WorkflowTaskFailing').length;
  const paused = found.length - failing;
  const looked = count === MOST_RUNS ? `the ${MOST_RUNS} that were started last` : `${count} open`;
  const parts = [
    looked,
    ...(failing > 0 ? [`the workflow task of ${failing} fails`] : []),
    ...(paused > 0 ? [`${paused} pauses in Temporal`] : []),
    ...(found.length > MOST_SHOWN ? [`${MOST_SHOWN} of ${found.length} findings are shown`] : []),
  ];
  return {
    check: 'runs',
    result: failing > 0 ? 'problem' : paused > 0 ? 'note' : 'ok',
    message: parts.join('; '),
    facts: { open: count, failing, paused },
  };
}
