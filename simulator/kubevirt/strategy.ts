/**
 * Whether KubeVirt creates or deletes the instance of a VM. Pure.
 *
 * KUBEVIRT-STANDIN-1: the run strategy decides whether an instance exists. A `Start` request turns `Halted` into `Always`: a restart that is pending
 *     when a user halts the VM undoes that.
 * KUBEVIRT-STANDIN-2: a request is dropped once it is carried out, the first one first.
 */
import { own } from '../../api';
import { isFinal, strategyOf, type KubevirtInstance, type KubevirtMachine } from '../../platforms/kubevirt';
import type { Action, Facts } from './facts';

/** The actions, and when to look again although nothing changed; milliseconds since the epoch. */
export interface StrategyReaction {
  actions: Action[];
  wakeAt?: number;
}

/** What a VM's strategy and its requests ask for. */
export function reactionToStrategy({ vm, vmi, now }: Facts): StrategyReaction {
  if (vm.metadata.deletionTimestamp !== undefined) return { actions: deletionOf(vmi) };
  const strategy = strategyOf(vm);
  const wanted = own(REACTIONS, strategy)?.(vm, vmi);
  if (wanted !== 'createInstance') return { actions: wanted === undefined ? [] : actionsOf(wanted, vm) };
  const retryAt = Date.parse(vm.status.startFailure?.retryAfterTimestamp ?? '');
  if (retryAt > now) return { actions: [], wakeAt: retryAt };
  return { actions: [{ type: 'createInstance' }] };
}

/** Whether the first request of a VM is a start. */
export function hasStartRequest({ status }: KubevirtMachine): boolean {
  return status.stateChangeRequests?.[0]?.action === 'Start';
}

/** Whether the first request of a VM is to stop this instance. */
export function hasStopRequest({ status }: KubevirtMachine, vmi: KubevirtInstance | undefined): boolean {
  const [first] = status.stateChangeRequests ?? [];
  return vmi !== undefined && first?.action === 'Stop' && first.uid === vmi.metadata.uid;
}

/** The requests of a VM that are still to be carried out; KUBEVIRT-STANDIN-2. */
export function openRequests(
  { status }: KubevirtMachine,
  vmi: KubevirtInstance | undefined,
): NonNullable<KubevirtMachine['status']['stateChangeRequests']> {
  const [first, ...rest] = status.stateChangeRequests ?? [];
  if (!first) return [];
  const isDone = first.action === 'Stop' ? vmi?.metadata.uid !== first.uid : vmi !== undefined;
  return isDone ? rest : [first, ...rest];
}

type Wanted = 'createInstance' | 'deleteInstance' | 'deleteAndStart' | 'writeAlways' | undefined;
type Decide = (vm: KubevirtMachine, vmi: KubevirtInstance | undefined) => Wanted;

const REACTIONS: Partial<Record<string, Decide>> = {
  Always: (vm, vmi) => {
    if (!vmi) return 'createInstance';
    return hasStopRequest(vm, vmi) || isFinal(vmi) ? 'deleteInstance' : undefined;
  },
  RerunOnFailure: (vm, vmi) => {
    // Coming from another strategy it starts; once it has ended well it does not.
    if (!vmi)
      return hasStartRequest(vm) || vm.status.runStrategy !== 'RerunOnFailure' ? 'createInstance' : undefined;
    if (vmi.status.phase === 'Failed') return 'deleteAndStart';
    return hasStopRequest(vm, vmi) || isFinal(vmi) ? 'deleteInstance' : undefined;
  },
  Manual: (vm, vmi) => {
    if (vmi) return hasStopRequest(vm, vmi) ? 'deleteInstance' : undefined;
    return hasStartRequest(vm) ? 'createInstance' : undefined;
  },
  Halted: (vm, vmi) => {
    if (vmi) return 'deleteInstance';
    return hasStartRequest(vm) ? 'writeAlways' : undefined;
  },
  Once: (_vm, vmi) => (vmi ? undefined : 'createInstance'),
};

function actionsOf(wanted: Exclude<Wanted, undefined | 'createInstance'>, vm: KubevirtMachine): Action[] {
  switch (wanted) {
    case 'deleteInstance':
      return [{ type: 'deleteInstance' }];
    case 'deleteAndStart': {
      const stateChangeRequests = [...(vm.status.stateChangeRequests ?? []), { action: 'Start' }];
      const asked = vm.status.stateChangeRequests?.some(({ action }) => action === 'Start');
      return [
        { type: 'deleteInstance' },
        ...(asked ? [] : [{ type: 'patchMachineStatus', patch: { stateChangeRequests } } as const]),
      ];
    }
    case 'writeAlways':
      return [{ type: 'patchMachine', patch: { spec: strategyPatch(vm, 'Always') } }];
  }
}

/** The change of a VM's spec to `Always` or `Halted`, in the way in which the VM has it. */
export function strategyPatch({ spec }: KubevirtMachine, strategy: 'Always' | 'Halted'): object {
  return spec.runStrategy === undefined && spec.running !== undefined
    ? { running: strategy === 'Always' }
    : { runStrategy: strategy };
}

function deletionOf(vmi: KubevirtInstance | undefined): Action[] {
  return vmi
    ? [{ type: 'deleteInstance' }]
    : [{ type: 'patchMachine', patch: { metadata: { finalizers: [] } } }];
}
