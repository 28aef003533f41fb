/** What operations work with: the hosts, and what is known of their VMs. */
import type { PowerState } from '../../api';
import type { OperationRecord } from '../tracked';
import type { Daemon } from './daemon';
import type { Machine } from './machines';

/** What operations work with. VMs are named by their UUID. */
export interface Ground {
  /** For calls that change something on a host. @throws ConnectionError */
  daemon(host: string): Promise<Daemon>;
  /** The VM as its hosts say now; undefined: it is gone. @throws ConnectionError where a host of it cannot be reached */
  fetch(vm: string, signal: AbortSignal): Promise<Machine | undefined>;
  /** Resolves once all hosts of a VM can be reached. @throws the reason of `signal` */
  reachable(vm: string, signal: AbortSignal): Promise<void>;
  /** Resolves once the VM satisfies `met`, or is gone. @throws the reason of `signal` */
  until(vm: string, met: (machine: Machine) => boolean, signal: AbortSignal): Promise<Machine | undefined>;
  /** Writes the record of an operation on a VM, on all its hosts, and what becomes of its place. */
  record(machine: Machine, text: string, to: PowerState, signal: AbortSignal): Promise<void>;
  recordOf(machine: Machine): OperationRecord | undefined;
  /** @throws PlatformError where a VM may run on another host than this one. */
  refuseDouble(machine: Machine, host: string): void;
  /** Something about the operation has changed. */
  changed(vm: string): void;
}
