/** Where a member stands for the planner. Pure. */
import { own } from '../../api/own';
import { memberKey, type MemberKey, type PlanMember, type PlanTier } from '../../contract';
import type { MemberState, Run, Stage } from '../state';

export function stageMembers(
  run: Run,
  stage: Stage,
): { key: MemberKey; member: PlanMember; tier: PlanTier }[] {
  return stage.tiers.flatMap((index) => {
    const tier = run.plan.tiers[index];
    return tier ? tier.members.map((member) => ({ key: memberKey(member), member, tier })) : [];
  });
}

/** Whether a member is where it should be, and no force sync asks for another check. */
export function isReached(state: MemberState): boolean {
  return state.reachedAt !== undefined && !state.forced;
}

/** Whether a member has been set aside: by an operator, by its budget, or by the policy on drift. */
export function isSetAside(state: MemberState): boolean {
  return Boolean(state.word ?? state.parked ?? state.leftAlone);
}

/** Whether a member is still to be brought to its state, now or once it exists; PLANNER-3. */
export function needsOperation(run: Run, key: MemberKey, member: PlanMember): boolean {
  const state = own(run.members, key);
  if (!state || isSetAside(state) || isReached(state)) return false;
  return member.link === 'Linked' || run.plan.powerState === 'PoweredOn';
}
