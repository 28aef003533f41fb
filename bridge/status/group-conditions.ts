/** The conditions of a group. Pure. */
import {
  ALL_READY,
  condition,
  problemsText,
  stamped,
  unreadyText,
  type UnstampedCondition,
} from './conditions';
import type { StatusFacts } from './facts';
import type { Condition, ConditionReason } from './view';

/** The conditions of a group with `total` members. `unready`: why members are not ready, one text each. */
export function groupConditions(facts: StatusFacts, unready: string[], total: number): Condition[] {
  const { problems, previous } = facts;
  const isInvalid = problems.some(({ severity }) => severity === 'Error');
  const ready = isInvalid
    ? condition('Ready', 'False', 'Invalid', problemsText(problems))
    : readyCondition(facts, unready, total);
  return stamped([ready, ...parentCondition(facts)], previous?.status.conditions, facts);
}

function parentCondition({ group, parentExists }: StatusFacts): UnstampedCondition[] {
  const parent = group.groupName;
  if (parent === undefined) return [];
  return [
    parentExists
      ? condition('GroupLinked', 'True', 'MemberLinked', `Group is linked to its parent "${parent}"`)
      : condition('GroupLinked', 'False', 'NotFound', `VirtualMachineGroup "${parent}" does not exist`),
  ];
}

function readyCondition(facts: StatusFacts, unready: string[], total: number): UnstampedCondition {
  const notReady = (reason: ConditionReason, message: string): UnstampedCondition =>
    condition('Ready', 'False', reason, message);
  const { groupName } = facts.group;
  const members = unready.length === 0 ? ALL_READY : unreadyText(unready, total);
  if (groupName !== undefined && !facts.parentExists) {
    return notReady(
      'ParentNotFound',
      `VirtualMachineGroup "${groupName}", which spec.groupName names, does not exist; ${members}`,
    );
  }
  if (facts.contest !== undefined) return notReady('Contested', facts.contest);
  const [trouble] = facts.troubles;
  if (unready.length > 0) {
    return trouble
      ? notReady(trouble.reason, `${trouble.message}; ${members}`)
      : notReady('MembersNotReady', members);
  }
  if (isRunAhead(facts)) {
    return trouble
      ? notReady(trouble.reason, trouble.message)
      : notReady('RunOpen', `${ALL_READY}; the run has not ended yet`);
  }
  return condition('Ready', 'True', 'AllMembersReady', ALL_READY);
}

/** Whether the group becomes ready only once its run has ended (STATUS-4). */
function isRunAhead({ run, previous }: StatusFacts): boolean {
  const before = previous?.status.conditions.find(({ type }) => type === 'Ready');
  return run.phase === 'Open' && before?.status !== 'True';
}
