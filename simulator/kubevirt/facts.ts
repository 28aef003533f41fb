/** What the stand-in for KubeVirt's controllers knows of one VM, and what it can do about it. */
import { own, type PowerState } from '../../api';
import type { KubernetesObject } from '../../kubernetes';
import type { KubevirtInstance, KubevirtMachine } from '../../platforms/kubevirt';

/** Finalizer that the controllers put on VMs and instances. */
export const FINALIZER = 'kubevirt.io/virtualMachineControllerFinalize';

/** Annotation of a VM with what goes wrong, separated by commas. */
export const FAULT = 'simulator.vmgroup.dev/fault';
/** Annotations of a VM with the milliseconds that its start and its guest's shutdown take. */
export const START_TIME = 'simulator.vmgroup.dev/start-time';
export const SHUTDOWN_TIME = 'simulator.vmgroup.dev/shutdown-time';

/** What can go wrong. A node is lost once its condition `Ready` is not `True`. */
export type Fault =
  | 'Unschedulable'
  | 'MissingPvc'
  | 'ImagePull'
  /** QEMU ends before the instance is Running. */
  | 'Crash'
  /** The guest ignores the signal to shut down. */
  | 'DeafGuest'
  /** The guest has no agent. */
  | 'NoAgent'
  | 'SubresourceConflict'
  | 'SubresourceUnavailable';

/** Times of VMs without annotations of their own. */
export interface Times {
  /** Milliseconds from the creation of an instance until it is Running. */
  start: number;
  /** Milliseconds that a guest takes to shut down. */
  shutdown: number;
  /** Seconds after the first failed start before the next one; KubeVirt's are 10. */
  backOff: number;
}

/** All that a reaction depends on. */
export interface Facts {
  vm: KubevirtMachine;
  vmi: KubevirtInstance | undefined;
  /** Since when the instance is in its present phase, and since when it is being deleted; milliseconds since the epoch. */
  since: { phase: number; deletion: number };
  /** The node of the instance is lost. */
  nodeLost: boolean;
  /** Where an instance is put. */
  node: string;
  now: number;
  times: Times;
}

/** One thing to do. */
export type Action =
  | { type: 'patchMachine'; patch: Patch }
  | { type: 'patchMachineStatus'; patch: Patch }
  | { type: 'createInstance' }
  | { type: 'deleteInstance' }
  /** `effect`: the power state that the VM comes into by it. */
  | { type: 'patchInstance'; patch: Patch; effect?: PowerState };

/** A JSON merge patch. */
export type Patch = Record<string, unknown>;

/** Whether a VM has a fault. */
export function hasFault({ metadata }: Pick<KubernetesObject, 'metadata'>, fault: Fault): boolean {
  return (own(metadata.annotations, FAULT) ?? '').split(',').includes(fault);
}

/** Milliseconds of an annotation. */
export function timeOf({ metadata }: Pick<KubernetesObject, 'metadata'>, key: string, other: number): number {
  const value = Number(own(metadata.annotations, key) ?? NaN);
  return Number.isFinite(value) && value >= 0 ? value : other;
}
