/** The last run of a group in its view. Pure. */
import type { ObjectName } from '../../api';
import { workflowId, type Plan } from '../../contract';
import type { RunState } from '../runs';
import { rfc3339 } from './conditions';
import type { GroupView, RunView } from './view';

/** A run as a view shows it; undefined: there was none. */
export function viewOfRun({ namespace, name }: ObjectName, run: RunState): RunView | undefined {
  if (run.phase === 'None') return undefined;
  const { runId, startedAt } = run;
  const base = { workflowId: workflowId(namespace, name), runId, startedAt };
  if (run.phase === 'Open') {
    const { progress, health } = run;
    return { ...base, ...(progress && { progress }), ...(health && { health }) };
  }
  const { endedAt, outcome, closedAs, ended } = run;
  return { ...base, endedAt, ...(outcome ? { outcome } : { closedAs, ...(ended && { ended }) }) };
}

/** The run that a view remembers, for a server that has forgotten it. */
export function runOfView(view: GroupView | undefined): RunState {
  const run = view?.run;
  if (!run || run.endedAt === undefined) return { phase: 'None' };
  const { runId, startedAt, endedAt, closedAs = 'COMPLETED', outcome, ended } = run;
  return {
    phase: 'Closed',
    runId,
    startedAt,
    endedAt,
    closedAs,
    ...(outcome && { outcome }),
    ...(ended && { ended }),
  };
}

/** When the last run brought the members to the power state of the plan; undefined: it did not. */
export function lastUpdated(run: RunState, plan: Plan | undefined): string | undefined {
  if (run.phase !== 'Closed' || !run.outcome || !plan) return undefined;
  const reached = run.outcome.outcome === 'Converged' || run.outcome.outcome === 'ConvergedWithExceptions';
  return reached && run.outcome.powerState === plan.powerState ? rfc3339(run.outcome.endedAt) : undefined;
}
