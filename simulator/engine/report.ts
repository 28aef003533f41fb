/** How the platform reports its VMs. */
import type { SimulatedInventory } from '../../api';
import type { VirtualMachineState } from '../../platforms';
import type { GuestAnswer, PlatformVm } from '../../platforms/simulated';
import { guestOf, seenByRules, type VmRecord } from './state';

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

/** What the guest of a VM reports about itself. It reports nothing before it is ready. */
export function reportGuest({ vm, ready, powerState }: VmRecord, inventory: SimulatedInventory): GuestAnswer {
  if (powerState !== 'PoweredOn' || !ready) return { heartbeat: 'gray', info: {} };
  return { heartbeat: 'green', info: guestOf(inventory, vm)?.info ?? {} };
}

/** The state of a VM, with what the next placement counts of it. */
export function reportVm(record: VmRecord, at: number): PlatformVm {
  const { cpus, memory } = record;
  return { state: reportState(record, at), cpus, memory, ...seenByRules(record) };
}
