/** Gives back places that were only promised. May be repeated: what is free stays free, and what was taken since is not touched. */
import type { VirtualMachineRef } from '../platforms';
import { inAttempts } from './attempts';
import type { ActivityDependencies } from './power';
import type { ReleaseInput } from './types';

/** The activity `release`. Resolves with the VMs that have no place now. */
export function release(
  { platform, client, logger }: ActivityDependencies,
  { vms, caller, sequence, retry }: ReleaseInput,
): Promise<VirtualMachineRef[]> {
  const purpose = `give back the places of ${vms.length} VM${vms.length === 1 ? '' : 's'}`;
  return inAttempts({ purpose, retry, first: {}, client, logger }, (run) =>
    platform.release(vms, { caller, sequence }, run.signal),
  );
}
