/** Whether a run is started for a driver that has none open. Pure. */
import type { CleanUp, Plan, RunOutcome } from '../../contract';
import { isSameDesired, plansOf, wantsDigest } from '../plans';
import { endText, type RunState } from '../runs';
import { sendNothing, type DriverState, type SendDecision, type SentPlan } from './decision';
import { driftText, forceSyncTokens, names, pathsOf, sendPlan, sentPlan } from './messages';

/** Decides about a driver without an open run. */
export function sendToClosed(state: DriverState, run: Exclude<RunState, { phase: 'Open' }>): SendDecision {
  const { plan, facts, unmet } = state;
  const last = run.phase === 'Closed' ? run.outcome : undefined;
  if (run.phase === 'Closed' && isStopped(state, run)) {
    const cleanUp = cleanUpAfter(state, run);
    const how = last ? `${last.outcome}: ${last.message}` : endText(run);
    return {
      ...sendNothing(
        state,
        `stopped (${how}): no run starts until the desired state changes or an operator asks for one`,
      ),
      // With this a later change can be told from what was stopped.
      ...((cleanUp || facts.sent?.wants !== wantsDigest(plan)) && { sent: sentPlan(state, []) }),
      ...(cleanUp && { cleanUp }),
      stopped: true,
    };
  }
  if (asksForSync(plan, last, facts.sent)) {
    return sendPlan(state, 'ForceSync', 'nextForcePowerStateSyncTime asks for a sync');
  }
  if (unmet.length === 0) return sendNothing(state, 'all members are in their desired state');
  if (!last || !isSameDesired(plan, last))
    return sendPlan(state, 'SpecChanged', 'the desired state is not met');
  const joined = unmet.filter((one) => !one.drifted);
  if (joined.length > 0) {
    return sendPlan(state, 'MembersChanged', `new or recreated members: ${names(pathsOf(joined))}`);
  }
  const drift = driftText(unmet);
  if (plan.policy.drift.action === 'Report')
    return sendNothing(state, `${drift}; the policy only reports it`);
  return sendPlan(state, 'Drift', drift);
}

/** RECONCILE-3. */
function isStopped({ plan, facts }: DriverState, run: RunState & { phase: 'Closed' }): boolean {
  const { sent } = facts;
  const last = run.outcome;
  if (last && last.outcome !== 'Cancelled' && last.outcome !== 'Failed') return false;
  if (last && !isSameDesired(plan, last)) return false;
  // What another bridge sent to the run is not known: only the outcome says which desired state was stopped.
  if (sent === undefined || (last && sent.runId !== run.runId)) return true;
  return sent.wants === undefined ? isSameDesired(plan, sent) : sent.wants === wantsDigest(plan);
}

/** RECONCILE-9. Runs of nested groups that are open may still power VMs on in the places that they were promised. */
function cleanUpAfter(
  { plan, facts, digest }: DriverState,
  run: RunState & { phase: 'Closed' },
): CleanUp | undefined {
  if (run.outcome || run.isCleanUp || run.closedAs === 'COMPLETED') return undefined;
  if (plansOf(plan).some(({ name }) => facts.runOf(name).phase === 'Open')) return undefined;
  const { by = 'unknown', reason = '' } = run.ended ?? {};
  const how = run.closedAs === 'TERMINATED' ? 'Terminated' : `Ended as ${run.closedAs}`;
  const message = reason === '' ? `${how} by ${by}` : `${how} by ${by}: ${reason}`;
  return { plan, digest, runId: run.runId, actor: by, reason: reason || how, message };
}

function asksForSync(plan: Plan, last: RunOutcome | undefined, sent: SentPlan | undefined): boolean {
  const tokens = forceSyncTokens(plan);
  if (sent) return tokens !== '' && tokens !== sent.forceSync;
  return plan.forceSync !== undefined && plan.forceSync !== last?.forceSync;
}
