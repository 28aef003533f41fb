/** How the platform reports its VMs. */
import type { VirtualMachineState } from '../../platforms';
import type { PlatformVm } from '../../platforms/simulated';
import { seenByRules, type VmRecord } from './state';

/** The state of a VM at time `at`. */
export function reportState(record: VmRecord, at: number): VirtualMachineState {
  return {
    vm: record.vm,
    status: {
      powerState: record.powerState,
      ready: record.ready,
      since: record.since,
      at,
      ...(record.version !== undefined && { version: String(record.version) }),
      placement: record.placement,
      ...(record.address !== undefined && { address: record.address }),
    },
    ...(record.operation && { operation: record.operation }),
    ...(record.question && { question: record.question }),
  };
}

/** The state of a VM, with what the next placement counts of it. */
export function reportVm(record: VmRecord, at: number): PlatformVm {
  const { cpus, memory } = record;
  return { state: reportState(record, at), cpus, memory, ...seenByRules(record) };
}
