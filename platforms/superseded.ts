import type { Outranking } from '../contract';
import { PlatformError, virtualMachineKey, type PowerRequest } from './platform';

/** The error of an operation on a VM that has a newer one on record. */
export function superseded(
  { operation, vm }: PowerRequest,
  { id, sequence, caller }: Outranking & { id: string },
): PlatformError {
  return new PlatformError(
    'Superseded',
    `operation ${operation.id} on VM ${virtualMachineKey(vm)} has sequence ${operation.sequence}, and operation ${id} of ${caller} has ${sequence}: a newer decision has taken over`,
    undefined,
    { recorded: { sequence, caller } },
  );
}
