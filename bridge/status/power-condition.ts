/** The condition `PowerStateSynced` of a VM. Pure. */
import type { VirtualMachine } from '../../api';
import {
  isInState,
  observedState,
  type MemberKey,
  type MemberProgress,
  type Plan,
  type RunException,
} from '../../contract';
import { attemptText, leftAloneText, parkedText } from '../../insight';
import { condition, type UnstampedCondition } from './conditions';
import { withCure, type StatusFacts } from './facts';
import type { Condition, ConditionReason } from './view';

const UNSEEN = 'its power state is not known as its platform cannot be read';

/** The condition of a VM under a plan that wants a power state. */
export function powerCondition(
  facts: StatusFacts,
  plan: Plan,
  key: MemberKey,
  vm: VirtualMachine,
): UnstampedCondition {
  const observed = facts.observe(vm);
  const isUnseen = !observed && facts.isUnseen?.(vm) === true;
  const state = observedState(observed);
  if (!isUnseen && isInState(plan.powerState, observed)) return metCondition(state === plan.powerState);
  const mismatch = `${isUnseen ? UNSEEN : state}, the group wants ${plan.powerState}`;
  const progress = facts.progress.get(key);
  if (progress) {
    const paused = facts.pausedActivities.get(progress.activityId ?? '');
    if (paused) return unmet(paused.kind, mismatch, withCure(paused));
    return progressCondition(plan.powerState, mismatch, progress, facts.holdOf?.(vm));
  }
  const exception = facts.exceptions.get(key);
  if (exception) return exceptionCondition(mismatch, exception);
  if (facts.moving) return unmet('Pending', mismatch);
  if (isUnseen) return condition('PowerStateSynced', 'Unknown', 'NotSynced', mismatch);
  return unmet('NotSynced', mismatch, facts.decision?.why);
}

function metCondition(isSame: boolean): UnstampedCondition {
  const type: Condition['type'] = 'PowerStateSynced';
  if (isSame)
    return condition(type, 'True', 'PowerStateMatches', 'Member power state matches group specification');
  const message = 'Member was powered off and stays so while the group is suspended';
  return condition(type, 'True', 'LeftPoweredOff', message);
}

function unmet(reason: ConditionReason, mismatch: string, why?: string): UnstampedCondition {
  return condition('PowerStateSynced', 'False', reason, why ? `${mismatch}: ${why}` : mismatch);
}

/** What the open run says. `hold`: what keeps operations on the VM from taking effect. */
function progressCondition(
  desired: Plan['powerState'],
  mismatch: string,
  progress: MemberProgress,
  hold: string | undefined,
): UnstampedCondition {
  const { waitsFor } = progress;
  const wait = waitsFor === undefined ? undefined : `waits for ${waitsFor}`;
  switch (progress.phase) {
    case 'Parked':
      return unmet('PowerOperationFailed', mismatch, parkedText(progress));
    case 'Skipped':
    case 'LeftAlone':
      return unmet('NotSynced', mismatch, leftAloneText(progress));
    case 'Done':
      return unmet('NotSynced', mismatch, 'it left the desired state');
    case 'Pending':
    case 'Missing':
    case 'Queued':
      return unmet('Pending', mismatch, hold ?? wait);
    case 'InProgress': {
      // Between two attempts the platform holds nothing: the error of the last attempt is still the cause.
      // The message says already that it waits for the state that the group wants.
      return unmet(
        'Pending',
        mismatch,
        hold ?? attemptText(progress) ?? (waitsFor === desired ? undefined : wait),
      );
    }
  }
}

function exceptionCondition(mismatch: string, { reason, message }: RunException): UnstampedCondition {
  return unmet(reason === 'Parked' ? 'PowerOperationFailed' : 'NotSynced', mismatch, message);
}
