/** What the bridge reads of a platform's VMs. */
import type { VirtualMachineStatus } from '../api';
import type { VirtualMachineRef } from '../contract';
import type { Observer } from './observer';
import type { VirtualMachineState } from './platform';

/** The last observed state of each VM, as the bridge reads it. */
export interface PlatformObservations {
  get(vm: VirtualMachineRef): VirtualMachineStatus | undefined;
  /** Why the platform holds back the VM's operation. */
  holdOf(vm: VirtualMachineRef): NonNullable<VirtualMachineState['operation']>['hold'];
  onChange(listener: (vm: VirtualMachineRef) => void): () => void;
  synced(): Promise<void>;
}

/** The observations of a platform's one watch. */
export function observationsOf(observer: Observer): PlatformObservations {
  return {
    get: (vm) => observer.get(vm)?.status,
    holdOf: (vm) => observer.get(vm)?.operation?.hold,
    onChange: (listener) => observer.onChange(({ vm }) => listener(vm)),
    synced: () => observer.synced(),
  };
}
