/**
 * Checks of open runs: those whose workflow task fails, and what was paused in Temporal.
 *
 * RUNCHECK-1: a run that cannot be checked hides nothing that was found of another one.
 */
import type { Client, WorkflowExecutionInfo } from '@temporalio/client';
import pMap from 'p-map';
import type { TaskQueuePollers } from '../../bridge';
import { healthFindings, type HealthFinding } from '../../insight';
import { messageOf } from '../errors';
import * as lazy from '../lazy';
import type { CheckResult } from './check-result';

/** Most open runs that are checked: those that were started last. */
const MOST_RUNS = 500;
/** Runs that are checked at the same time. */
const CONCURRENCY = 20;
/** Most problems that are listed. */
const MOST_LISTED = 20;
/** Longest wait for an answer, milliseconds. */
const CALL_TIMEOUT = 5_000;
/** Runs that could not be checked after which the server counts as away, and no further one is asked about. */
const MOST_UNKNOWN = 20;

/** A problem of one run. */
interface RunProblem extends HealthFinding {
  namespace: string;
  name: string;
  workflowId: string;
}

/** What the checks work with, and what they could not check. */
interface RunChecks {
  client: Client;
  pollers: TaskQueuePollers;
  /** See `RunHealth`. */
  temporalFlags: string;
  /** Why runs could not be checked. */
  unknown: string[];
}

/** Checks the open runs. Never rejects: an error becomes a note. `temporalFlags`: see `RunHealth`. */
export async function checkRuns(client: Client, temporalFlags: string): Promise<CheckResult[]> {
  try {
    const open = await openRuns(client);
    const pollers = new (lazy.bridge().TaskQueuePollers)(client);
    const checks: RunChecks = { client, pollers, temporalFlags, unknown: [] };
    const problems = await pMap(open, (run) => checkRun(run, checks), { concurrency: CONCURRENCY });
    const all = problems.flat();
    return [...all.slice(0, MOST_LISTED).map(asResult), summary(open.length, all, checks.unknown)];
  } catch (error: unknown) {
    return [{ check: 'runs', result: 'note', message: `unknown: ${messageOf(error)}` }];
  }
}

async function openRuns(client: Client): Promise<WorkflowExecutionInfo[]> {
  const { OPEN_QUERY, RUNS_QUERY } = lazy.contract();
  const query = `${RUNS_QUERY} AND ${OPEN_QUERY}`;
  const runs: WorkflowExecutionInfo[] = [];
  for await (const run of client.workflow.list({ query, pageSize: MOST_RUNS })) {
    runs.push(run);
    if (runs.length >= MOST_RUNS) break;
  }
  return runs;
}

/** RUNCHECK-1. */
async function checkRun(
  { workflowId }: WorkflowExecutionInfo,
  { client, pollers, temporalFlags, unknown }: RunChecks,
): Promise<RunProblem[]> {
  if (unknown.length >= MOST_UNKNOWN) {
    unknown.push(unknown[0] ?? '');
    return [];
  }
  const [, namespace = '', name = ''] = workflowId.split('/');
  const { readRunHealth } = lazy.bridge();
  try {
    const health = await client.withDeadline(Date.now() + CALL_TIMEOUT, async () =>
      readRunHealth(client, await client.workflow.getHandle(workflowId).describe(), pollers),
    );
    const findings = healthFindings({ namespace, name }, workflowId, { ...health, temporalFlags });
    return findings.map((finding) => ({ ...finding, namespace, name, workflowId }));
  } catch (error: unknown) {
    // Deleted since it was listed.
    if (!(error instanceof lazy.temporalClient().WorkflowNotFoundError)) unknown.push(messageOf(error));
    return [];
  }
}

/** A pause was an operator's decision, so it is a note; the others are problems. */
function asResult({ kind, namespace, name, workflowId, activityId, message, cure }: RunProblem): CheckResult {
  return {
    check: `run ${namespace}/${name}`,
    result: isPause(kind) ? 'note' : 'problem',
    message,
    cure: cure.join(', then '),
    facts: { kind, workflowId, ...(activityId !== undefined && { activityId }), commands: cure },
  };
}

function isPause(kind: HealthFinding['kind']): boolean {
  return kind === 'RunPaused' || kind === 'ActivityPaused';
}

function summary(open: number, problems: RunProblem[], unknown: readonly string[]): CheckResult {
  const failing = problems.filter(({ kind }) => kind === 'WorkflowTaskFailing').length;
  const paused = problems.filter(({ kind }) => isPause(kind)).length;
  const waiting = problems.length - failing - paused;
  const sentences = [
    open === MOST_RUNS ? `only the ${MOST_RUNS} that were started last are checked` : `${open} open`,
    ...(failing > 0 ? [`${failing} with a failing workflow task`] : []),
    ...(waiting > 0 ? [`${waiting} without a worker of a platform`] : []),
    ...(paused > 0 ? [`${paused} paused in Temporal`] : []),
    ...(unknown.length > 0 ? [`${unknown.length} could not be checked: ${unknown[0]}`] : []),
    ...(problems.length > MOST_LISTED ? [`${MOST_LISTED} of ${problems.length} problems are listed`] : []),
  ];
  return {
    check: 'runs',
    result: failing + waiting > 0 ? 'problem' : paused + unknown.length > 0 ? 'note' : 'ok',
    message: sentences.join('; '),
    facts: { open, failing, paused, waiting, unknown: unknown.length },
  };
}
