/**
 * The action that an operation needs in addition to its patch: `start`, `stop`, `pause` or `unpause` of KubeVirt. Pure.
 *
 * KUBEVIRT-5: an action is asked for only while the operation is the last one on record; a stop or a pause only of the instance that the operation
 *     was about: whatever was started since is left alone.
 * KUBEVIRT-9: a start is asked for only once KubeVirt has noted itself that the instance is gone: before that it refuses the request, or drops it as
 *     carried out.
 */
import { courseOf, hasStartRequest, isLeaving, type Course } from './course';
import type { KubevirtInstance, KubevirtMachine } from './objects';
import { GRACE_PERIOD } from './power-patch';
import type { KubevirtOperation } from './record';

/** Something to ask KubeVirt for. */
export interface KubevirtCall {
  type: 'Call';
  action: 'start' | 'stop' | 'pause' | 'unpause';
  body: object;
}

/** What to do next. */
export type NextCall =
  | { type: 'None' }
  /** It is not possible yet. */
  | { type: 'Wait'; hold: string }
  | KubevirtCall;

const NONE: NextCall = { type: 'None' };

/** The action that an operation on record still needs. */
export function nextCall(
  vm: KubevirtMachine,
  vmi: KubevirtInstance | undefined,
  operation: KubevirtOperation,
): NextCall {
  const course = courseOf(vm, vmi);
  switch (operation.powerState) {
    case 'PoweredOn':
      return toPowerOn(vm, vmi, course, operation);
    case 'PoweredOff':
      return vmi && course.exists ? toPowerOff(vmi, course, operation) : NONE;
    case 'Suspended':
      return vmi && course.exists ? toSuspend(vmi, course, operation) : NONE;
  }
}

function toPowerOn(
  vm: KubevirtMachine,
  vmi: KubevirtInstance | undefined,
  { exists, stopping, starts, powerState, strategy }: Course,
  { asked }: KubevirtOperation,
): NextCall {
  if (exists && !stopping)
    return powerState === 'Suspended' && !asked ? { type: 'Call', action: 'unpause', body: {} } : NONE;
  if (strategy !== 'Manual' && strategy !== 'RerunOnFailure') return NONE;
  if (asked || hasStartRequest(vm)) return NONE;
  const isUnnoted = !vmi && vm.status.created === true;
  if (stopping || isLeaving(vmi) || isUnnoted)
    return { type: 'Wait', hold: 'it is still stopping: KubeVirt takes a start after that' };
  if (vmi?.status.phase === 'Failed' && starts) return NONE;
  // KubeVirt starts it as its strategy has changed, unless it has noted that change before the VM had stopped.
  return starts
    ? { type: 'Wait', hold: 'KubeVirt is to start it' }
    : { type: 'Call', action: 'start', body: {} };
}

function toPowerOff(
  vmi: KubevirtInstance,
  { stopping, powerState, strategy }: Course,
  { vmi: uid, grace, byStop, asked }: KubevirtOperation,
): NextCall {
  if (vmi.metadata.uid !== uid) return NONE;
  const body = grace === undefined ? {} : { gracePeriod: grace };
  // A guest that is paused does not hear that it is to shut down.
  if (grace === undefined && powerState === 'Suspended' && !asked)
    return { type: 'Call', action: 'unpause', body: {} };
  if (!stopping) return byStop || strategy === 'Manual' ? { type: 'Call', action: 'stop', body } : NONE;
  const isLonger = (vmi.spec.terminationGracePeriodSeconds ?? GRACE_PERIOD) > (grace ?? Infinity);
  return isLonger ? { type: 'Call', action: 'stop', body } : NONE;
}

function toSuspend(
  vmi: KubevirtInstance,
  { powerState, stopping }: Course,
  { vmi: uid, asked }: KubevirtOperation,
): NextCall {
  if (vmi.metadata.uid !== uid || asked || stopping || powerState !== 'PoweredOn') return NONE;
  return { type: 'Call', action: 'pause', body: {} };
}

/** Whether an action leaves no trace that could be found later, so that it is noted on record that it was asked for. */
export function mustBeNoted({ action }: KubevirtCall): boolean {
  return action !== 'stop';
}
