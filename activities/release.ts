/** Gives back places that were only promised. May be repeated: what is free stays free, and what was taken since is not touched. */
import { inAttempts } from './attempts';
import { noProgress } from './heartbeat';
import type { ActivityDependencies } from './power';
import type { ReleaseInput, ReleaseResult } from '../contract';

/** The activity `release`. Resolves with the VMs that have no place now. */
export function release(
  { platform, client }: ActivityDependencies,
  { operation = '', vms, caller, sequence, retry }: ReleaseInput,
): Promise<ReleaseResult> {
  const purpose = `give back the places of ${vms.length} VM${vms.length === 1 ? '' : 's'}`;
  return inAttempts({ purpose, retry, first: {}, progress: noProgress, client }, async (run) => ({
    operation,
    free: await platform.release(vms, { caller, sequence }, run.signal),
  }));
}
