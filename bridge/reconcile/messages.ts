/** Decisions to send a plan, with the marks that the plan carries. Pure. */
import { listed } from '../../api';
import type { Cause, Plan, PlanMember } from '../../contract';
import { wantsDigest } from '../plans';
import type { DriverState, SendDecision, SentPlan, UnmetMember } from './decision';
import { linkedMembers } from './unmet-members';

/** The decision to send the plan. */
export function sendPlan(state: DriverState, cause: Cause, why: string): SendDecision {
  const { plan, facts, unmet, digest } = state;
  // With any other cause the VM is brought back whatever the policy for drift says.
  const marked = cause === 'Drift' || cause === 'MembersChanged';
  const drifted = marked ? unmet.filter((one) => one.drifted) : [];
  return {
    send: {
      plan: markMembers(plan, pathsOf(drifted), { drifted: true }),
      cause,
      digest,
      ...(cause === 'ForceSync' ? facts.syncAsker : facts.asked),
      ...(facts.changedBy && { changedBy: facts.changedBy }),
    },
    sent: {
      ...sentPlan(state, drifted),
      ...(marked && facts.sent?.recovered && { recovered: facts.sent.recovered }),
    },
    why,
    unmet,
    stopped: false,
  };
}

/** The decision to tell the run of VMs that it has parked and that are in their desired state (RECONCILE-6). */
export function sendRecovered(state: DriverState, recovered: string[]): SendDecision {
  const { drift = {}, recovered: before = [] } = state.facts.sent ?? {};
  const why = `${names(recovered)} reached the desired state after being parked`;
  const { send, sent, ...decision } = sendPlan(state, 'Recovered', why);
  return {
    ...decision,
    ...(send && { send: { ...send, plan: markMembers(state.plan, recovered, { recovered: true }) } }),
    ...(sent && { sent: { ...sent, drift, recovered: [...before, ...recovered] } }),
  };
}

/** The same decision, with the plan as the one that replaces the plan with this digest. */
export function superseding(decision: SendDecision, supersedes: string | undefined): SendDecision {
  if (supersedes === undefined) return decision;
  return {
    ...decision,
    ...(decision.send && { send: { ...decision.send, supersedes } }),
    ...(decision.sent && { sent: { ...decision.sent, supersedes } }),
  };
}

/** What is kept of the plan once it was sent with these drifted VMs. */
export function sentPlan({ plan, digest }: DriverState, drifted: UnmetMember[]): SentPlan {
  return {
    digest,
    wants: wantsDigest(plan),
    revision: plan.revision,
    lineage: plan.lineage,
    powerState: plan.powerState,
    forceSync: forceSyncTokens(plan),
    drift: Object.fromEntries(drifted.map((one) => [one.path, one.seen])),
  };
}

/** Every force sync token of a tree. */
export function forceSyncTokens(plan: Plan): string {
  const below = linkedMembers(plan).flatMap(({ member }) =>
    member.plan ? [forceSyncTokens(member.plan)] : [],
  );
  return [...new Set([plan.forceSync ?? '', ...below])].filter((token) => token !== '').join(' ');
}

/** The plan with marks on the VMs of these paths and on the groups above them. */
function markMembers(
  plan: Plan,
  paths: readonly string[],
  marks: Pick<PlanMember, 'drifted' | 'recovered'>,
  prefix = '',
): Plan {
  if (paths.length === 0) return plan;
  const mark = (member: PlanMember): PlanMember => {
    const path = `${prefix}${member.name}`;
    if (member.kind === 'VirtualMachine') return paths.includes(path) ? { ...member, ...marks } : member;
    const below = paths.filter((each) => each.startsWith(`${path}/`));
    return member.plan && below.length > 0
      ? { ...member, ...marks, plan: markMembers(member.plan, below, marks, `${path}/`) }
      : member;
  };
  return { ...plan, tiers: plan.tiers.map((tier) => ({ ...tier, members: tier.members.map(mark) })) };
}

/** Says that these members have left the desired state. */
export function driftText(unmet: UnmetMember[]): string {
  return `${names(pathsOf(unmet))} left the desired state`;
}

/** The paths of members. */
export function pathsOf(unmet: UnmetMember[]): string[] {
  return unmet.map(({ path }) => path);
}

/** The first few paths, for messages. */
export function names(paths: string[]): string {
  return listed(paths, 5);
}
