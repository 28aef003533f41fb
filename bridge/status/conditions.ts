/** Conditions, and the texts that several of them share. Pure. */
import { firstFew, formatProblem, type Problem } from '../../api';
import type { Condition, ConditionReason } from './view';

/** A condition without its time and generation. */
export type UnstampedCondition = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** Makes a condition. */
export function condition(
  type: Condition['type'],
  status: Condition['status'],
  reason: ConditionReason,
  message: string,
): UnstampedCondition {
  return { type, status, reason, message };
}

/** Conditions with their times: {@link Condition.lastTransitionTime} moves only when the status moves (STATUS-3). `now` is in milliseconds. */
export function stamped(
  conditions: UnstampedCondition[],
  before: Condition[] | undefined,
  { group, now }: { group: { generation: number }; now: number },
): Condition[] {
  return conditions.map((each) => {
    const old = before?.find(({ type }) => type === each.type);
    return {
      ...each,
      lastTransitionTime: old?.status === each.status ? old.lastTransitionTime : rfc3339(now),
      observedGeneration: group.generation,
    };
  });
}

/** A time on the wire, in whole seconds as Kubernetes has them. */
export function rfc3339(time: number): string {
  return new Date(time).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** Names at most this many members or errors in one message. */
const NAMED = 5;

/** The message of a group whose members are all ready. */
export const ALL_READY = 'All group members are in desired state';

/** Says which members are not ready and why. */
export function unreadyText(reasons: readonly string[], total: number): string {
  return `${reasons.length} of ${total} members not ready: ${firstFew(reasons, NAMED).join('; ')}`;
}

/** The errors of a group, in one message. */
export function problemsText(problems: readonly Problem[]): string {
  const errors = problems.filter(({ severity }) => severity === 'Error').map(formatProblem);
  return firstFew(errors, NAMED).join('; ');
}
