/**
 * The status that KubeVirt writes of a VM. Pure.
 *
 * KUBEVIRT-STANDIN-5: conditions are those of the instance, and stay as they were once it is gone. `ready` and `created` are there only if they are
 *     true.
 * KUBEVIRT-STANDIN-6: after an instance that never ran, the next one waits: so many seconds times the square of the failures in a row.
 */
import type { ObjectCondition } from '../../kubernetes';
import {
  conditionOf,
  holds,
  isFinal,
  strategyOf,
  type KubevirtInstance,
  type KubevirtMachine,
} from '../../platforms/kubevirt';
import type { Facts, Patch } from './facts';
import { condition } from './instance';
import { hasStartRequest, hasStopRequest, openRequests } from './strategy';

/** Seconds; the longest wait between two starts. */
const LONGEST_BACK_OFF = 300;

/** The patch of the status; undefined: it says all that already. */
export function statusPatch(facts: Facts): Patch | undefined {
  const { vm, vmi } = facts;
  const startFailure = startFailureOf(facts);
  const wanted = {
    runStrategy: strategyOf(vm),
    created: vmi ? true : null,
    ready: vmi && holds(vmi, 'Ready') ? true : null,
    printableStatus: printableStatus({
      ...facts,
      vm: { ...vm, status: { ...vm.status, startFailure } } as KubevirtMachine,
    }),
    conditions: conditionsOf(vm, vmi, facts.now),
    stateChangeRequests: openRequests(vm, vmi),
    startFailure: startFailure ?? null,
  };
  const present = { created: null, ready: null, startFailure: null, ...vm.status };
  const changed = Object.entries(wanted).filter(
    ([key, value]) => JSON.stringify(value) !== JSON.stringify(present[key as keyof typeof present]),
  );
  return changed.length === 0 ? undefined : Object.fromEntries(changed);
}

/** The first that holds. */
function printableStatus({ vm, vmi }: Facts): string {
  return PRINTED.find(([, is]) => is(vm, vmi))?.[0] ?? 'Unknown';
}

type Is = (vm: KubevirtMachine, vmi: KubevirtInstance | undefined) => boolean;

const PRINTED: readonly [string, Is][] = [
  ['Terminating', (vm) => vm.metadata.deletionTimestamp !== undefined],
  ['Stopping', isStopping],
  ['Paused', (_vm, vmi) => vmi !== undefined && holds(vmi, 'Paused')],
  ['Running', (_vm, vmi) => vmi?.status.phase === 'Running'],
  ['ErrorPvcNotFound', (_vm, vmi) => reasonOf(vmi, 'Synchronized') === 'FailedPvcNotFound'],
  ['ErrorUnschedulable', (_vm, vmi) => reasonOf(vmi, 'PodScheduled') === 'Unschedulable'],
  ['ErrImagePull', (_vm, vmi) => reasonOf(vmi, 'Synchronized') === 'ErrImagePull'],
  ['ImagePullBackOff', (_vm, vmi) => reasonOf(vmi, 'Synchronized') === 'ImagePullBackOff'],
  ['Starting', (vm, vmi) => (vmi ? !isFinal(vmi) : hasStartRequest(vm))],
  ['CrashLoopBackOff', (vm) => vm.status.startFailure !== undefined],
  ['Stopped', (_vm, vmi) => !vmi || isFinal(vmi)],
];

function isStopping(vm: KubevirtMachine, vmi: KubevirtInstance | undefined): boolean {
  if (!vmi || isFinal(vmi)) return false;
  const isHalted = strategyOf(vm) === 'Halted';
  return vmi.metadata.deletionTimestamp !== undefined || isHalted || hasStopRequest(vm, vmi);
}

/** Of a condition that does not hold. */
function reasonOf(vmi: KubevirtInstance | undefined, type: string): string | undefined {
  const found = vmi && conditionOf(vmi, type);
  return found?.status === 'False' ? found.reason : undefined;
}

function conditionsOf(
  { status }: KubevirtMachine,
  vmi: KubevirtInstance | undefined,
  now: number,
): ObjectCondition[] {
  if (vmi) return vmi.status.conditions ?? [];
  const present = status.conditions ?? [];
  const ready = present.find(({ type }) => type === 'Ready');
  if (ready?.reason === 'VMINotExists') return present;
  const others = present.filter(({ type }) => type !== 'Ready');
  return [condition('Ready', 'False', now, 'VMINotExists', 'VMI does not exist'), ...others];
}

function startFailureOf({ vm, vmi, now, times }: Facts): KubevirtMachine['status']['startFailure'] {
  const { startFailure } = vm.status;
  const ran = vmi?.status.phaseTransitionTimestamps?.some(({ phase }) => phase === 'Running') ?? false;
  if (ran || !['Always', 'RerunOnFailure', 'Once'].includes(strategyOf(vm))) return undefined;
  const uid = vmi?.metadata.uid;
  if (!vmi || !isFinal(vmi) || uid === undefined || startFailure?.lastFailedVMIUID === uid)
    return startFailure;
  const count = (startFailure?.consecutiveFailCount ?? 0) + 1;
  const seconds = Math.min(times.backOff * count * count, LONGEST_BACK_OFF);
  const retryAfterTimestamp = new Date(now + seconds * 1_000).toISOString().replace(/\.\d+Z$/, 'Z');
  return { consecutiveFailCount: count, lastFailedVMIUID: uid, retryAfterTimestamp };
}
