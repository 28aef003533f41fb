/** The members of a plan that are not in their desired state. Pure. */
import { own } from '../../api';
import {
  gateOf,
  isInState,
  isSeenIn,
  memberKey,
  type MemberKey,
  type Plan,
  type PlanMember,
  type PlanTier,
  type RunOutcome,
} from '../../contract';
import { excusedMembers, isSameDesired, wantsDigest } from '../plans';
import type { DriverFacts, UnmetMember } from './decision';

/** The linked members of a plan, with their tiers. */
export function linkedMembers(plan: Plan): { tier: PlanTier; member: PlanMember }[] {
  return plan.tiers.flatMap((tier) =>
    tier.members.filter((member) => member.link === 'Linked').map((member) => ({ tier, member })),
  );
}

/** The members of a driver's tree that are not in their desired state and that a run may bring there. */
export function unmetMembers(plan: Plan, facts: DriverFacts): UnmetMember[] {
  const run = facts.runOf(plan.name);
  const wasMet = run.phase === 'Closed' && (run.outcome?.outcome ?? '').startsWith('Converged');
  const unchanged = wasMet && facts.sent?.wants === wantsDigest(plan);
  return unmetBelow(plan, facts, '', unchanged);
}

/** `unchanged`: the last run of the driver has met this desired state. */
function unmetBelow(plan: Plan, facts: DriverFacts, prefix: string, unchanged: boolean): UnmetMember[] {
  const run = facts.runOf(plan.name);
  const last = run.phase === 'Closed' ? run.outcome : undefined;
  // An operator who asks wants every member to be tried again.
  const excused = facts.asked ? new Set<MemberKey>() : excusedMembers(plan, last);
  return linkedMembers(plan).flatMap(({ tier, member }): UnmetMember[] => {
    const key = memberKey(member);
    const path = `${prefix}${member.name}`;
    if (excused.has(key)) return [];
    if (member.plan) return unmetInGroup(member.plan, key, facts, path, unchanged);
    if (member.kind !== 'VirtualMachine') return [];
    // RECONCILE-10.
    if (member.unseen && (unchanged || wasInState(plan, last, member))) return [];
    if (needsPlace(plan, member, facts)) return [{ path, member: key, seen: 0, drifted: false }];
    if (isSeenIn(plan.powerState, member)) return [];
    if (isUnderway(plan, tier, member, facts)) return [];
    const drifted = unchanged || wasInState(plan, last, member);
    const { observed } = member;
    const seen = observed?.version ?? observed?.at ?? 0;
    return [{ path, member: key, seen, ...(observed && { observed }), drifted }];
  });
}

function unmetInGroup(
  plan: Plan,
  key: MemberKey,
  facts: DriverFacts,
  path: string,
  unchanged: boolean,
): UnmetMember[] {
  const below = unmetBelow(plan, facts, `${path}/`, unchanged);
  const run = facts.runOf(plan.name);
  // A run that was started for another driver keeps its own plan until it is sent one of this driver.
  const foreign = run.phase === 'Open' && run.progress !== undefined && run.progress.lineage !== plan.lineage;
  return foreign ? [...below, { path: `${path}/`, member: key, seen: 0, drifted: false }] : below;
}

/** Whether a VM has no place and needs one (RECONCILE-5). The driver's run places its whole tree. */
function needsPlace(plan: Plan, member: PlanMember, facts: DriverFacts): boolean {
  if (!plan.placesAhead || member.observed?.placement) return false;
  const driver = facts.runOf(plan.root);
  const placed = driver.phase === 'Closed' ? own(driver.outcome?.placements, member.name) : undefined;
  return !placed || (placed.uid ?? member.uid) !== member.uid;
}

/** With gate `None` a run may end before its power operations show: an earlier observation does not count. */
function isUnderway(plan: Plan, tier: PlanTier, member: PlanMember, facts: DriverFacts): boolean {
  const run = facts.runOf(plan.name);
  if (gateOf(tier, member) !== 'None' || run.phase !== 'Closed' || !run.outcome) return false;
  if (!isSameDesired(plan, run.outcome) || !run.outcome.outcome.startsWith('Converged')) return false;
  return !member.observed || !facts.isNews(member.name);
}

/** Whether the last run of the same desired state saw the VM in it. */
function wasInState(plan: Plan, last: RunOutcome | undefined, member: PlanMember): boolean {
  const seen = own(last?.observed, memberKey(member));
  if (!last || !seen || (seen.uid !== undefined && seen.uid !== member.uid)) return false;
  return isSameDesired(plan, last) && isInState(plan.powerState, seen);
}
