/** What VM Operator's VM controller knows of one VirtualMachine, and what it can do about it. */
import type { PowerMode, PowerState } from '../../api';
import type { VirtualMachineObject } from '../../kubernetes';
import type { VmRecord } from '../engine';
import type { GroupMembers } from './group-members';
import type { WantedStatus } from './status';

/** Finalizer that VM Operator puts on each VirtualMachine. */
export const VM_FINALIZER = 'vmoperator.vmware.com/virtualmachine';
/** Annotation that the VM gets after its first power-on. */
export const FIRST_BOOT_DONE = 'virtualmachine.vmoperator.vmware.com/first-boot-done';
/** Milliseconds that the guest gets to shut down or stand by, a constant of VM Operator. */
export const GUEST_PATIENCE = 300_000;

/** CPUs, and memory in bytes. */
export interface Size {
  cpus: number;
  memory: number;
}

/** All that the controller's reaction depends on. */
export interface VmFacts {
  object: VirtualMachineObject;
  /** Undefined: the group that the VM names does not exist. */
  group: GroupMembers | undefined;
  /** Undefined: the class that the VM names does not exist, or cannot be read. */
  size: Size | undefined;
  /** The VM on the platform; undefined: not created yet. */
  machine: VmRecord | undefined;
  /** Why the platform refused to create it, the last time. */
  refused?: string;
  /** Id of the failed operation that was reported already: it is tried again. */
  reported?: string;
  /** Milliseconds since the epoch. */
  now: number;
  /** Milliseconds that the guest gets. */
  guestPatience: number;
}

/** One thing to do. `create` and `power` can fail, and are tried again with back-off. */
export type Action =
  | { type: 'addFinalizer' }
  | { type: 'create'; request: Size & { zone?: string; node?: string } }
  | { type: 'dropApplyTime' }
  | {
      type: 'power';
      request: { powerState: PowerState; mode?: PowerMode; caller: string; requestId?: string };
    }
  | { type: 'markFirstBoot' }
  | { type: 'delete' };

/** Why the controller cannot do its work. `id` names the failed operation, so that it is reported once. */
export interface Failure {
  /** Reason of the Warning event. */
  reason: 'CreateFailure' | 'UpdateFailure';
  message: string;
  id?: string;
}

/** What the controller does about a VM, and the status that it writes. */
export interface Reaction {
  actions: Action[];
  /** Undefined: none is written, the object is being deleted. */
  status: WantedStatus | undefined;
  failure?: Failure;
  /** When to react again although nothing changed, milliseconds since the epoch. */
  wakeAt?: number;
  /** Everything is as it should be: earlier failures no longer count. */
  settled: boolean;
}

/** The reaction to a VM that must be created, or that exists: without the rest of the status. */
export type PartialReaction = Omit<Reaction, 'status'> & { conditions: WantedStatus['conditions'] };
