/** Since when the VMs below a group have been in their desired state. Pure. */
import {
  gateOf,
  isSeenIn,
  meetsGate,
  memberKey,
  type Plan,
  type PlanMember,
  type PlanTier,
  type RunOutcome,
} from '../../contract';
import { excusedMembers } from './exceptions';

/**
 * When the last VM below a group reached its desired state, in milliseconds since the epoch (0: there is none, or it was never in another
 * one); undefined if a member is not in its desired state. A nested group with an open run is not: its parent has to ask it.
 */
export function convergedSince(plan: Plan, outcome: RunOutcome | undefined): number | undefined {
  const excused = excusedMembers(plan, outcome);
  let latest = 0;
  for (const tier of plan.tiers) {
    for (const member of tier.members) {
      if (member.link === 'NotMember' || excused.has(memberKey(member))) continue;
      const seen = memberConvergedAt(plan, tier, member);
      if (seen === undefined) return undefined;
      latest = Math.max(latest, seen);
    }
  }
  return latest;
}

function memberConvergedAt(plan: Plan, tier: PlanTier, member: PlanMember): number | undefined {
  if (member.link === 'NotFound') return undefined;
  if (member.kind === 'VirtualMachineGroup') return member.convergedAt;
  if (!isSeenIn(plan.powerState, member)) return undefined;
  if (plan.powerState === 'PoweredOn' && !meetsGate(gateOf(tier, member), member.observed)) return undefined;
  return member.observed?.since ?? member.observed?.at ?? 0;
}
