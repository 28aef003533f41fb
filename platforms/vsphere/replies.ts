/** What the platform answers where it does nothing. Pure. */
import type { PlacementRequest, PlacementResult, VirtualMachineRef } from '../../contract';
import {
  PlatformError,
  virtualMachineKey,
  type Answer,
  type PowerRequest,
  type VirtualMachineState,
} from '../platform';
import type { Binding, Bindings } from '../tracked';
import type { VmFacts } from './facts';
import type { Inventory } from './inventory';
import type { Homes } from './placing/homes';

/**
 * The state of a VM that does not exist: it is off.
 *
 * @throws PlatformError on a request to power it on
 */
export function absent(
  { vm, operation, powerState }: PowerRequest,
  binding: Binding<VmFacts>,
  host: string,
): VirtualMachineState {
  if (powerState === 'PoweredOn') {
    const why = 'missing' in binding ? binding.missing : 'it is gone';
    throw new PlatformError('Permanent', `VM ${virtualMachineKey(vm)} is not on ${host}: ${why}`);
  }
  return {
    vm,
    status: { powerState: 'PoweredOff', at: Date.now() },
    operation: { ...operation, phase: 'Done' },
  };
}

/**
 * Where a VM is, or will be by what vSphere decides.
 *
 * @throws PlatformError where a VM that is not optional does not exist
 */
export function placeOf(
  { vm, optional }: PlacementRequest,
  { bindings, inventory, homes }: { bindings: Bindings<VmFacts>; inventory: Inventory; homes: Homes },
  host: string,
): PlacementResult {
  const binding = bindings.resolve(vm);
  const place = 'vm' in binding ? inventory.place(binding.vm.id) : undefined;
  if ('vm' in binding && place) {
    const placement = { zoneID: place.cluster, ...(place.host !== undefined && { node: place.host }) };
    const byDrs = homes.placerOf(binding.vm.id) === 'Drs';
    const note = byDrs ? `DRS of ${place.cluster} places it at power-on` : undefined;
    return { vm, placement, ...(note !== undefined && { note }) };
  }
  const message = `VM ${virtualMachineKey(vm)} has no place on ${host}: ${reasonOf(binding)}`;
  if (optional) return { vm, unplaced: message };
  throw new PlatformError('Permanent', message);
}

function reasonOf(binding: Binding<VmFacts>): string {
  if ('missing' in binding) return binding.missing;
  return 'ambiguous' in binding ? binding.ambiguous : 'it is on no host';
}

/** The server cannot know the power state now. */
export function unknownState(vm: VirtualMachineRef, { connection }: VmFacts): PlatformError {
  return new PlatformError(
    'Transient',
    `the power state of VM ${virtualMachineKey(vm)} is not known: its connection state is ${connection}; look at its host`,
  );
}

/** PLATFORM-3: a VM that is named by its UUID may be one of which the server never said its own. @throws PlatformError if there is such a VM */
export function refuseUnread(vm: VirtualMachineRef, inventory: Inventory): void {
  const unread = unreadFor(vm, inventory);
  if (!unread) return;
  throw new PlatformError(
    'Transient',
    `VM ${virtualMachineKey(vm)} may be ${inventory.path(unread.id)}, whose UUID is not known since vSphere cannot read its configuration (connection state ${unread.connection}): bring back its storage or host, or take it out of the inventory`,
  );
}

/** A VM that may be the one that a manifest names by its UUID, as the server never said its own. */
export function unreadFor({ locator }: VirtualMachineRef, inventory: Inventory): VmFacts | undefined {
  if (!locator?.startsWith('uuid:')) return undefined;
  for (const vm of inventory.vms()) if (vm.uuid === '' && vm.power === undefined) return vm;
  return undefined;
}

/** The VM that asks what is answered. @throws PlatformError `Permanent` where it does not, or has no such choice */
export function askingFor(vm: VirtualMachineRef, facts: VmFacts | undefined, answer: Answer): VmFacts {
  const { question } = facts ?? {};
  const key = virtualMachineKey(vm);
  if (!facts || question?.id !== answer.question)
    throw new PlatformError('Permanent', `VM ${key} does not ask the question ${answer.question}`);
  if (question.choices.some((choice) => choice.key === answer.choice)) return facts;
  const choices = question.choices.map((choice) => `${choice.key} (${choice.label})`).join(', ');
  throw new PlatformError('Permanent', `VM ${key} takes one of ${choices}, not ${answer.choice}`);
}
