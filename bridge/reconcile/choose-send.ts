/**
 * Decides whether a driver's run is started or sent a plan, and why. Pure.
 *
 * RECONCILE-1: no run starts for members that are in their desired state already.
 * RECONCILE-2: members that the last run of the same desired state left as exceptions start no run.
 * RECONCILE-3: after a run that was stopped (`Cancelled`, `Failed`, ended from outside) no run starts until the desired state changes or an
 *     operator asks. An upgrade of the bridge does not change that, nor does a plan that another bridge sent.
 * RECONCILE-4: with drift action `Report` a drifted VM starts no run; a VM that joined and a changed desired state do.
 * RECONCILE-5: on a platform that creates VMs only once they are placed, a VM without a place starts a run, whatever the power state.
 * RECONCILE-6: an open run is notified once of a VM that it has parked and that was observed in its desired state after that. The run tries the
 *     VM again, finds it in that state, fences off any operation still under way, and continues.
 * RECONCILE-7: which plan an open run has is what the run itself says, not what was sent to it. A plan that the run refuses as older, although
 *     the source has it now (a clock or a backup was set back), is sent again after a while, as the one that replaces the plan of the run.
 * RECONCILE-8: a plan that is too large for Temporal is not sent, and the status says what to do.
 * RECONCILE-9: a driver's run that was ended from outside, without an outcome, is followed by one that gives its promised places back and puts
 *     on record who ended it, once no run of the tree is open. That one is not followed by another.
 * RECONCILE-10: a VM whose platform cannot be read counts as left by the last run of the same desired state. Under another one a run starts for it,
 *     whatever that is: its operations say what the platform has.
 */
import { jsonLength } from '../../api';
import type { Plan } from '../../contract';
import { planDigest } from '../plans';
import type { Asker } from '../requests';
import type { RunState } from '../runs';
import { sendToClosed } from './closed-run';
import type { DriverFacts, DriverState, SendDecision } from './decision';
import { sendPlan, superseding } from './messages';
import { isRefused, sendToOpen } from './open-run';
import { unmetMembers } from './unmet-members';

/** Bytes of the largest plan that is sent: Temporal takes 2 MB in one signal. */
const PLAN_BYTES = 1_900_000;

/** Decides about one driver. */
export function chooseSend(plan: Plan, facts: DriverFacts): SendDecision {
  const run = facts.runOf(plan.name);
  const unmet = unmetMembers(plan, facts);
  const bytes = jsonLength(plan);
  if (bytes > PLAN_BYTES) return { why: tooLargeText(bytes), unmet, stopped: false, tooLarge: true };
  const state: DriverState = { plan, facts, digest: planDigest(plan), unmet };
  if (facts.asked) return sendAsked(state, run, facts.asked);
  return run.phase === 'Open' ? sendToOpen(state, run) : sendToClosed(state, run);
}

function tooLargeText(bytes: number): string {
  return (
    `the plan of this tree of groups takes ${bytes} bytes and Temporal takes ${PLAN_BYTES}, so it is not sent: ` +
    `split the group, or remove labels and affinity rules from its VMs`
  );
}

/** An operator who asks does not have to wait until a refused plan is sent again. */
function sendAsked(state: DriverState, run: RunState, { actor, reason }: Asker): SendDecision {
  const decision = sendPlan(state, 'Asked', `${actor} asks: ${reason}`);
  const { sent } = state.facts;
  const refused = run.phase === 'Open' && sent?.runId === run.runId && isRefused(state, run, sent);
  return refused ? superseding(decision, run.progress?.planDigest) : decision;
}
