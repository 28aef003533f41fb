/** What an open run is sent. Pure. */
import { own, type Gate } from '../../api';
import {
  gateOf,
  isInState,
  meetsGate,
  memberKey,
  type Cause,
  type MemberKey,
  type MemberProgress,
  type Plan,
  type PlanMember,
  type Progress,
} from '../../contract';
import { isSameDesired } from '../plans';
import type { RunState } from '../runs';
import {
  sendNothing,
  type DriverFacts,
  type DriverState,
  type SendDecision,
  type SentPlan,
  type UnmetMember,
} from './decision';
import { driftText, sendPlan, sendRecovered, sentPlan, superseding } from './messages';
import { linkedMembers } from './unmet-members';

type OpenRun = RunState & { phase: 'Open' };

/**
 * Milliseconds after which a plan that the run refused is sent again as the one that replaces its plan. By then a source that was behind,
 * such as that of a bridge that has just taken over, has the current desired state.
 */
const REFUSED_PAUSE = 10_000;

/** Decides about a driver whose run is open. */
export function sendToOpen(state: DriverState, run: OpenRun): SendDecision {
  const { plan, facts, digest } = state;
  const sent = facts.sent?.runId === run.runId ? facts.sent : undefined;
  if (isRefused(state, run, sent)) return sendRefused(state, run);
  if (digestOf(run, sent) !== digest) {
    const [cause, why] = changeOf(plan, run.progress);
    return sendPlan(state, cause, why);
  }
  const told = sent?.recovered ?? [];
  const recovered = recoveredMembers(plan, facts).filter((path) => !told.includes(path));
  if (recovered.length > 0) return sendRecovered(state, recovered);
  const progress = progressUnder(plan, run);
  const left = state.unmet.filter((one) => hasLeft(one, progress, facts));
  if (left.length === 0) {
    return { ...sendNothing(state, 'the run is up to date'), ...(!sent && { sent: sentPlan(state, []) }) };
  }
  const drifted = left.map((one) => ({ ...one, drifted: true }));
  return sendPlan({ ...state, unmet: drifted }, 'Drift', driftText(left));
}

/** Whether the run has answered since it was sent this plan, and has another one (RECONCILE-7). */
export function isRefused(
  { plan, digest }: DriverState,
  { progress, unheard }: OpenRun,
  sent: SentPlan | undefined,
): boolean {
  if (!sent || sent.digest !== digest || !progress || unheard) return false;
  return progress.planDigest === undefined ? !isSameDesired(plan, progress) : progress.planDigest !== digest;
}

function sendRefused(state: DriverState, { progress }: OpenRun): SendDecision {
  const inForce = progress?.planDigest;
  const why = progress?.refusedPlan
    ? `the open run refuses the plan of generation ${state.plan.generation} as older than its own of generation ${progress.generation}`
    : `the open run has a different plan from the one it was sent`;
  if (inForce === undefined || state.facts.sent?.supersedes === inForce) {
    return { ...sendNothing(state, why), refused: {} };
  }
  const retryIn = REFUSED_PAUSE - (state.facts.refusedFor ?? 0);
  if (retryIn > 0) return { ...sendNothing(state, why), refused: { retryIn } };
  return superseding(sendPlan(state, 'SpecChanged', `${why}; sent again to replace that plan`), inForce);
}

/**
 * The digest of the plan that an open run has: what it says itself, unless it was sent a plan since. Runs of older builds do not say, and of
 * a run that does not answer only what was sent to it is known.
 */
function digestOf({ progress, unheard }: OpenRun, sent: SentPlan | undefined): string | undefined {
  return (unheard ? undefined : progress?.planDigest) ?? sent?.digest;
}

/** What the plan of an open run does not have yet. */
function changeOf(plan: Plan, progress: Progress | undefined): [Cause, string] {
  if (!progress || !isSameDesired(plan, progress)) return ['SpecChanged', 'the desired state changed'];
  if (plan.forceSync !== undefined && plan.forceSync !== progress.forceSync) {
    return ['ForceSync', 'nextForcePowerStateSyncTime asks for a sync'];
  }
  const before = progress.members
    .filter((member) => member.phase !== 'Missing')
    .map((member) => member.member);
  const now = linkedMembers(plan).map(({ member }) => memberKey(member));
  if (before.length !== now.length || now.some((key) => !before.includes(key))) {
    return ['MembersChanged', 'members joined or left'];
  }
  return ['SpecChanged', 'the plan may have changed'];
}

/** What a run says of its members under the desired state of the plan; undefined until it has that. */
function progressUnder(plan: Plan, run: RunState): Progress | undefined {
  if (run.phase !== 'Open' || !run.progress) return undefined;
  return isSameDesired(plan, run.progress) ? run.progress : undefined;
}

/** Whether a VM that the run counts as done was seen out of its desired state since, and the run was not notified. */
function hasLeft(unmet: UnmetMember, progress: Progress | undefined, facts: DriverFacts): boolean {
  const known = progress?.members.find((member) => member.member === topMember(unmet));
  if (known?.phase !== 'Done' || own(facts.sent?.drift, unmet.path) === unmet.seen) return false;
  return unmet.observed !== undefined && facts.isNews(unmet.member);
}

/** The driver's own member that this one is, or is below. */
function topMember({ path, member }: UnmetMember): MemberKey {
  const slash = path.indexOf('/');
  return slash < 0 ? member : memberKey({ kind: 'VirtualMachineGroup', name: path.slice(0, slash) });
}

/** The paths of VMs that were observed in their desired state after their run parked them (RECONCILE-6). */
function recoveredMembers(plan: Plan, facts: DriverFacts, prefix = ''): string[] {
  const members = progressUnder(plan, facts.runOf(plan.name))?.members ?? [];
  return linkedMembers(plan).flatMap(({ tier, member }): string[] => {
    const path = `${prefix}${member.name}`;
    if (member.plan) return recoveredMembers(member.plan, facts, `${path}/`);
    const known = members.find((each) => each.member === memberKey(member));
    if (known?.phase !== 'Parked' || !member.observed || !facts.isNews(member.name)) return [];
    const isThrough = plan.powerState !== 'PoweredOn' || mayBeThrough(gateOf(tier, member), member, known);
    return isInState(plan.powerState, member.observed) && isThrough ? [path] : [];
  });
}

/** Whether a VM that is on may be through its gate. The bridge does not see probes, so one that failed for its whole time waits for an operator. */
function mayBeThrough(gate: Gate, { observed }: PlanMember, { lastError }: MemberProgress): boolean {
  return gate === 'Probe' ? lastError?.class !== 'GateTimeout' : meetsGate(gate, observed);
}
