/**
 * What a power operation writes on a VM. Pure.
 *
 * PLATFORM-1, PLATFORM-2: see accept.ts of on-kubernetes.
 * KUBEVIRT-2: the run strategy and the record of the operation are one patch for one version of the VM. After any change in between it is a conflict,
 *     and made again.
 * KUBEVIRT-3: `Halted` is written only on a version without a `Start` request, which would turn it into `Always`: the requests are removed first.
 * KUBEVIRT-4: the strategy of a VM that is halted is kept on the VM, and written again when it is powered on. `Manual` is never changed.
 */
import type { PowerState } from '../../api';
import { OPERATION_ANNOTATION, operationText, recordOf, verdictOn, type Verdict } from '../on-kubernetes';
import { PlatformError, type PowerRequest } from '../platform';
import { courseOf, hasStartRequest, hasStopRequest, isLeaving, type Course } from './course';
import { isFinal, type KubevirtInstance, type KubevirtMachine } from './objects';
import { KEPT_STRATEGY, keptStrategy, keptText, type KubevirtOperation } from './record';

/** The reply to a {@link PowerRequest}. */
export type PowerReply =
  | Exclude<Verdict, { type: 'Accepted' }>
  /** A patch of the status that comes first. */
  | { type: 'Prepare'; patch: object }
  | { type: 'Patch'; patch: object };

/** Seconds; the grace period of a VM that names none. */
export const GRACE_PERIOD = 30;

const STRATEGIES: readonly string[] = ['Always', 'Halted', 'Manual', 'RerunOnFailure', 'Once'];

/** The reply for one version of a VM and its instance; `at`: milliseconds since the epoch. */
export function replyToPower(
  vm: KubevirtMachine | undefined,
  vmi: KubevirtInstance | undefined,
  request: PowerRequest,
  at: number,
): PowerReply {
  const verdict = verdictOn(vm, request);
  if (verdict.type !== 'Accepted' || !vm) return verdict as PowerReply;
  const course = courseOf(vm, vmi);
  const error = refusal(vm, vmi, course, request);
  if (error) return { type: 'Refused', error };
  const powerState = targetOf(request.powerState, course);
  if (mustDropRequests(vm, vmi, course, powerState)) {
    const { resourceVersion } = vm.metadata;
    return {
      type: 'Prepare',
      patch: { metadata: { resourceVersion }, status: { stateChangeRequests: null } },
    };
  }
  const { recorded } = verdict;
  const record = recordOf(request, {
    recorded,
    at,
    powerState,
    continues: recorded?.powerState === powerState && course.powerState !== powerState,
    turnedRound: false,
  });
  const details = detailsOf(vmi, course, request, powerState);
  return { type: 'Patch', patch: patchOf(vm, course, record, details) };
}

/** What the record contains besides the operation. */
type Details = Pick<KubevirtOperation, 'vmi' | 'grace' | 'byStop'>;

function patchOf(
  vm: KubevirtMachine,
  { strategy }: Course,
  record: KubevirtOperation,
  details: Details,
): object {
  const { resourceVersion, uid } = vm.metadata;
  const next = details.byStop ? undefined : nextStrategy(vm, strategy, record.powerState);
  const isHalting = record.powerState === 'PoweredOff' && strategy !== 'Halted' && strategy !== 'Manual';
  return {
    metadata: {
      resourceVersion,
      annotations: {
        [OPERATION_ANNOTATION]: operationText(uid, { ...record, ...details }),
        ...(isHalting && { [KEPT_STRATEGY]: keptText(uid, strategy) }),
        ...(record.powerState === 'PoweredOn' && { [KEPT_STRATEGY]: null }),
      },
    },
    ...(next !== undefined && { spec: strategyPatch(vm, next) }),
  };
}

/** The strategy to write; undefined: it stays. */
function nextStrategy(vm: KubevirtMachine, strategy: string, to: PowerState): string | undefined {
  if (to === 'PoweredOn') return strategy === 'Halted' ? keptStrategy(vm) : undefined;
  if (to === 'PoweredOff') return strategy === 'Halted' || strategy === 'Manual' ? undefined : 'Halted';
  return undefined;
}

/** In the form that the VM has. */
function strategyPatch({ spec }: KubevirtMachine, strategy: string): object {
  return spec.runStrategy === undefined && spec.running !== undefined
    ? { running: strategy !== 'Halted' }
    : { runStrategy: strategy };
}

function detailsOf(
  vmi: KubevirtInstance | undefined,
  { exists, stopping, strategy, powerState }: Course,
  { mode = 'TrySoft', guestShutdownTimeout }: PowerRequest,
  to: PowerState,
): Details {
  const uid = exists ? vmi?.metadata.uid : undefined;
  if (uid === undefined || !vmi || to === 'PoweredOn') return {};
  if (to === 'Suspended' || mode === 'Soft') return { vmi: uid };
  // A guest that is paused cannot shut down.
  const isHard = mode === 'Hard' || powerState === 'Suspended';
  const grace = isHard ? 0 : Math.max(1, Math.ceil(guestShutdownTimeout / 1_000));
  const isLonger = grace > (vmi.spec.terminationGracePeriodSeconds ?? GRACE_PERIOD);
  // `Halted` cannot be given more time; `stop` gives it before it halts.
  const byStop = isLonger && !stopping && (strategy === 'Always' || strategy === 'Once');
  return { vmi: uid, grace, ...(byStop && { byStop }) };
}

/** A VM that is off, or going off, stays off on a request to suspend it. */
function targetOf(wanted: PowerState, { powerState, stopping }: Course): PowerState {
  return wanted === 'Suspended' && (powerState === 'PoweredOff' || stopping) ? 'PoweredOff' : wanted;
}

/** KUBEVIRT-3. Also, an earlier request must not stop a VM that should be on. */
function mustDropRequests(
  vm: KubevirtMachine,
  vmi: KubevirtInstance | undefined,
  { exists, strategy }: Course,
  to: PowerState,
): boolean {
  if (to === 'PoweredOff') return hasStartRequest(vm);
  const isKept = strategy === 'Manual' || strategy === 'RerunOnFailure';
  return exists && isKept && vmi !== undefined && hasStopRequest(vm, vmi) && !hasStartRequest(vm);
}

function refusal(
  vm: KubevirtMachine,
  vmi: KubevirtInstance | undefined,
  { strategy }: Course,
  { vm: { namespace, name }, powerState }: PowerRequest,
): PlatformError | undefined {
  const what = `VirtualMachine ${namespace}/${name}`;
  const refuse = (why: string): PlatformError => new PlatformError('Permanent', `${what} ${why}`);
  if (vm.metadata.ownerReferences?.some(({ kind }) => kind === 'VirtualMachinePool'))
    return refuse('belongs to a VirtualMachinePool, which keeps its power state: take it out of the group');
  if (!STRATEGIES.includes(strategy))
    return refuse(`has runStrategy ${strategy}, which is not vmgroup's to change`);
  const isOver = strategy === 'Once' && vmi !== undefined && isFinal(vmi) && !isLeaving(vmi);
  return powerState === 'PoweredOn' && isOver
    ? refuse('has ended, and its runStrategy Once has no second start: set another one')
    : undefined;
}
