/** A VM that the server no longer has under the id that the stream last named. */
import { limited } from '../../limits';
import type { VirtualMachineRef } from '../../contract';
import { PlatformError, virtualMachineKey } from '../platform';
import type { Observations } from './observations';

/** Milliseconds in which the stream reports that a VM is gone. */
const LEAVING = 10_000;
/** Ids that are tried for one request. */
const MAX_LOOKS = 3;

/**
 * Waits for the stream to say that a VM is gone: after a restart of the server, or when it was registered again, the same VM has another id.
 *
 * @param look which id of the VM this is, from 1.
 * @throws PlatformError `Transient` where the stream does not say so
 */
export async function untilGone(
  observations: Observations,
  { vm, id, look }: { vm: VirtualMachineRef; id: string; look: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  const gone = await observations
    .until(id, () => false, limited(LEAVING, signal))
    .then(
      () => true,
      () => false,
    );
  if (gone && look < MAX_LOOKS) return;
  const message = `VM ${virtualMachineKey(vm)} is gone as ${id}, and the inventory is not up to date`;
  throw new PlatformError('Transient', message);
}
