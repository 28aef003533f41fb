/**
 * What an error of libvirt means for the next step. Pure.
 *
 * LIBVIRT-7: an error is classified by its code and the part that raised it. Only for code 1, which carries QEMU's own words, two texts are known.
 */
import { PlatformError, type FailureClass } from '../platform';
import { CODES } from './daemon';
import { ConnectionError, LibvirtError } from './rpc';

/** By `VIR_ERR_*`; see docs/reference/libvirt.md. */
const CLASSES: ReadonlyMap<number, FailureClass> = new Map<number, FailureClass>([
  // No support, wrong XML or arguments, authentication, rights.
  ...[3, 8, 27, 29, 42, 43, 45, 67, 88].map((code): [number, FailureClass] => [code, 'Permanent']),
  // Out of memory.
  [2, 'NoCapacity'],
]);
const SYSTEM_ERROR = 38;
const INTERNAL_ERROR = 1;
/** `VIR_FROM_STORAGE` and `VIR_FROM_NONE`. */
const FROM_NONE = 0;

/** What people can do about it, by code. */
const CURES: ReadonlyMap<number, string> = new Map([
  [29, 'give the user of this process the right to manage VMs'],
  [45, 'put the user of this process into the group libvirt, or use another way to the host'],
  [88, 'put the user of this process into the group libvirt, or give it the right by polkit'],
]);

/** The class of an error of libvirt. */
function classOfError({ code, domain, message }: LibvirtError): FailureClass {
  if (code === INTERNAL_ERROR) return /Cannot allocate memory/i.test(message) ? 'NoCapacity' : 'Transient';
  // A file may be on a share that is mounted late; a network device of the host that is missing is not.
  if (code === SYSTEM_ERROR)
    return domain === FROM_NONE && /interface/i.test(message) ? 'Permanent' : 'Transient';
  return CLASSES.get(code) ?? 'Transient';
}

/** The error of a platform for whatever a call threw. `what` was to be done, for people. */
export function platformError(error: unknown, what: string): PlatformError {
  if (error instanceof PlatformError) return error;
  const cause = { cause: error };
  if (error instanceof LibvirtError) {
    const cure = CURES.get(error.code);
    const message = `${what}: libvirt: ${error.message.trim()} (code ${error.code})${cure === undefined ? '' : `; ${cure}`}`;
    return new PlatformError(classOfError(error), message, undefined, cause);
  }
  const message = error instanceof Error ? error.message : String(error);
  return new PlatformError('Transient', `${what}: ${message}`, undefined, cause);
}

/** Whether the domain is gone. */
export function isGone(error: unknown): boolean {
  return error instanceof LibvirtError && error.code === CODES.noDomain;
}

/** Whether it is not known if the call took effect. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof ConnectionError;
}
