/** Which nested groups get the power state of their parents on their objects. Pure. */
import type { Group, PowerState } from '../../api';
import { memberKey, type Plan, type PlanMember } from '../../contract';
import { objectKey } from '../manifests';
import type { RunState } from '../runs';
import { lastRun, type TreeFacts } from './facts';
import type { TreeSteps } from './steps';
import { plansIn } from './views';

/** The nested groups that are in their parents' power states, or that their parents' runs have come to, with those states. */
export function inheritances(facts: TreeFacts, steps: TreeSteps): { group: Group; powerState: PowerState }[] {
  return [...plansIn(steps).values()].flatMap((plan) => {
    const { powerState, namespace } = plan;
    if (powerState === 'Unchanged') return [];
    const run = lastRun(facts.groups, plan);
    const members = plan.tiers.flatMap((tier) => tier.members);
    return members.flatMap((member) => {
      const group = facts.index.groups.get(objectKey({ namespace, name: member.name }));
      return member.plan && group && isReached(plan, member, run) ? [{ group, powerState }] : [];
    });
  });
}

function isReached(plan: Plan, member: PlanMember, run: RunState): boolean {
  if (member.convergedAt !== undefined) return true;
  if (run.phase !== 'Open' || !run.progress || run.progress.powerState !== plan.powerState) return false;
  const known = run.progress.members.find((each) => each.member === memberKey(member));
  return known?.phase === 'InProgress' || known?.phase === 'Done' || known?.phase === 'Parked';
}
