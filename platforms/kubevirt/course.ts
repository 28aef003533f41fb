/**
 * Where a VM is, and where KubeVirt brings it by itself. Pure.
 *
 * KUBEVIRT-1: what is known of the power is what the instance says, never what the VM's own conditions or its printed status say: those are stale.
 */
import type { PowerState } from '../../api';
import { holds, isFinal, strategyOf, type KubevirtInstance, type KubevirtMachine } from './objects';

/** See the module. */
export interface Course {
  powerState: PowerState;
  strategy: string;
  /** There is an instance that has not ended. */
  exists: boolean;
  /** It is being stopped. */
  stopping: boolean;
  /** Once nothing runs, KubeVirt starts the VM by itself. */
  starts: boolean;
}

/** The course of a VM. `vmi` undefined: it has no instance. */
export function courseOf(vm: KubevirtMachine, vmi: KubevirtInstance | undefined): Course {
  const strategy = strategyOf(vm);
  const exists = vmi !== undefined && !isFinal(vmi);
  const gone = vm.metadata.deletionTimestamp !== undefined;
  const stopping = exists && (gone || strategy === 'Halted' || isLeaving(vmi) || hasStopRequest(vm, vmi));
  return {
    strategy,
    exists,
    stopping,
    powerState: powerStateOf(vmi),
    starts: !gone && startsByItself(vm, stopping || isLeaving(vmi) ? undefined : vmi, strategy),
  };
}

/** The power state that was last seen. An instance whose node is lost stays what it was. */
export function powerStateOf(vmi: KubevirtInstance | undefined): PowerState {
  const { phase } = vmi?.status ?? {};
  if (!vmi || (phase !== 'Running' && phase !== 'Unknown')) return 'PoweredOff';
  return holds(vmi, 'Paused') ? 'Suspended' : 'PoweredOn';
}

/** Whether a start waits in the requests of a VM, also behind a stop: a restart. */
export function hasStartRequest({ status }: KubevirtMachine): boolean {
  return status.stateChangeRequests?.some(({ action }) => action === 'Start') ?? false;
}

/** Whether this instance is asked to stop. */
export function hasStopRequest({ status }: KubevirtMachine, { metadata }: KubevirtInstance): boolean {
  return (
    status.stateChangeRequests?.some(({ action, uid }) => action === 'Stop' && uid === metadata.uid) ?? false
  );
}

/** Whether an instance is being deleted: nothing is left of it soon, also if it has ended before. */
export function isLeaving(vmi: KubevirtInstance | undefined): boolean {
  return vmi?.metadata.deletionTimestamp !== undefined;
}

function startsByItself(vm: KubevirtMachine, vmi: KubevirtInstance | undefined, strategy: string): boolean {
  if (strategy === 'Always' || hasStartRequest(vm)) return true;
  if (strategy === 'Once') return vmi === undefined;
  if (strategy !== 'RerunOnFailure') return false;
  return vmi ? vmi.status.phase === 'Failed' : vm.status.runStrategy !== strategy;
}
