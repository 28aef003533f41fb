/**
 * What virt-api answers to an action on a VM, and what it writes. Pure.
 *
 * KUBEVIRT-STANDIN-7: `start` and `stop` are answered by the run strategy, and 409 where there is nothing to do for them; so is `start` while the VM
 *     is still stopping. `stop` with a grace period rewrites that of the instance first. While a request waits, `start` and `restart` are answered 500;
 *     `stop` replaces it.
 */
import {
  holds,
  isFinal,
  strategyOf,
  type KubevirtInstance,
  type KubevirtMachine,
} from '../../platforms/kubevirt';
import type { Patch } from './facts';
import { strategyPatch } from './strategy';

/** An action that is served. */
export type SubresourceAction = 'start' | 'stop' | 'restart' | 'pause' | 'unpause';

/** The answer, and what is written before it. */
export interface SubresourceAnswer {
  code: number;
  message?: string;
  machine?: Patch;
  machineStatus?: Patch;
  instance?: Patch;
}

/** Answers an action. `vm` undefined: there is none of that name. */
export function answerAction(
  action: SubresourceAction,
  body: { gracePeriod?: unknown },
  vm: KubevirtMachine | undefined,
  vmi: KubevirtInstance | undefined,
): SubresourceAnswer {
  if (!vm) return { code: 404, message: 'virtualmachine.kubevirt.io not found' };
  switch (action) {
    case 'start':
      return start(vm, vmi);
    case 'stop':
      return stop(vm, vmi, typeof body.gracePeriod === 'number' ? body.gracePeriod : undefined);
    case 'restart':
      return restart(vm, vmi);
    case 'pause':
      return pause(vmi);
    case 'unpause':
      return unpause(vmi);
  }
}

function start(vm: KubevirtMachine, vmi: KubevirtInstance | undefined): SubresourceAnswer {
  if (vmi && !isFinal(vmi)) return conflict('VM is already running');
  const strategy = strategyOf(vm);
  if (strategy === 'Halted') return { code: 202, machine: { spec: strategyPatch(vm, 'Always') } };
  if (strategy === 'RerunOnFailure' && vmi?.status.phase === 'Failed')
    return conflict('RerunOnFailure does not support starting VM from failed state');
  if (strategy !== 'Manual' && strategy !== 'RerunOnFailure')
    return conflict(`${strategy} does not support manual start requests`);
  const stopFirst = vmi ? [{ action: 'Stop', uid: vmi.metadata.uid }] : [];
  return requesting(vm, [...stopFirst, { action: 'Start' }]);
}

function stop(
  vm: KubevirtMachine,
  vmi: KubevirtInstance | undefined,
  gracePeriod: number | undefined,
): SubresourceAnswer {
  const strategy = strategyOf(vm);
  const runs = vmi !== undefined && !isFinal(vmi);
  const before = vmi?.spec.terminationGracePeriodSeconds;
  const instance =
    runs && gracePeriod !== undefined
      ? { instance: { spec: { terminationGracePeriodSeconds: gracePeriod } } }
      : {};
  if (strategy === 'Always' || strategy === 'Once')
    return { code: 202, ...instance, machine: { spec: strategyPatch(vm, 'Halted') } };
  if (!runs) return conflict('VM is not running');
  const isShorter = gracePeriod !== undefined && (before === undefined || gracePeriod < before);
  if (strategy === 'Halted' && !isShorter)
    return {
      ...conflict('Halted only supports manual stop requests with a shorter graceperiod'),
      ...instance,
    };
  const stateChangeRequests = [{ action: 'Stop', uid: vmi.metadata.uid }];
  return { code: 202, ...instance, machineStatus: { stateChangeRequests } };
}

function restart(vm: KubevirtMachine, vmi: KubevirtInstance | undefined): SubresourceAnswer {
  if (strategyOf(vm) === 'Halted') return conflict('Halted does not support manual restart requests');
  if (!vmi || isFinal(vmi)) return conflict('VM is not running');
  return requesting(vm, [{ action: 'Stop', uid: vmi.metadata.uid }, { action: 'Start' }]);
}

function requesting({ status }: KubevirtMachine, stateChangeRequests: object[]): SubresourceAnswer {
  return status.stateChangeRequests?.length
    ? {
        code: 500,
        message: 'Internal error occurred: unable to complete request: stop/start already underway',
      }
    : { code: 202, machineStatus: { stateChangeRequests } };
}

function pause(vmi: KubevirtInstance | undefined): SubresourceAnswer {
  if (vmi?.status.phase !== 'Running') return conflict('VM is not running');
  if (vmi.spec.livenessProbe)
    return { code: 403, message: 'Pausing VMIs with LivenessProbe is currently not supported' };
  if (holds(vmi, 'Paused')) return conflict('VMI is already paused');
  const paused = {
    type: 'Paused',
    status: 'True',
    reason: 'PausedByUser',
    message: 'VMI was paused by user',
  };
  return { code: 200, instance: { status: { conditions: [...(vmi.status.conditions ?? []), paused] } } };
}

function unpause(vmi: KubevirtInstance | undefined): SubresourceAnswer {
  if (vmi?.status.phase !== 'Running') return conflict('VM is not running');
  if (!holds(vmi, 'Paused')) return conflict('VMI is not paused');
  const conditions = (vmi.status.conditions ?? []).filter(({ type }) => type !== 'Paused');
  return { code: 200, instance: { status: { conditions } } };
}

function conflict(message: string): SubresourceAnswer {
  return { code: 409, message };
}
