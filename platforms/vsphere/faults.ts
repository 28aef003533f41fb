/**
 * What a fault of a server means for the next step. Pure.
 *
 * VSPHERE-1: a fault is classified by its type, and by the keys of its messages, never by its text. Its text is kept.
 */
import { HttpStatusError, describeFault, textOf, TransportError, VimFault, type Fault } from './soap';
import { PlatformError, type FailureClass } from '../platform';

/** What a fault of each type means; see docs/reference/vsphere.md. */
const CLASSES: ReadonlyMap<string, FailureClass> = new Map<string, FailureClass>([
  // Another task on the VM, or a state that passes.
  ...classed('Transient', 'TaskInProgress', 'VAppTaskInProgress', 'InvalidState', 'InvalidPowerState'),
  ...classed('Transient', 'ConcurrentAccess', 'RequestCanceled', 'MethodDisabled', 'VmPowerOnDisabled'),
  // Storage, hosts, connections.
  ...classed('Transient', 'FileLocked', 'FileNotFound', 'CannotAccessFile', 'InaccessibleDatastore'),
  ...classed('Transient', 'HostNotConnected', 'HostCommunication', 'HostNotReachable', 'Timedout'),
  // An operator changes the password back, or gives the new one to this process.
  ...classed('Transient', 'NotAuthenticated', 'InvalidLogin', 'ToolsUnavailable', 'SystemError'),
  // Room.
  ...classed('NoCapacity', 'InsufficientCpuResourcesFault', 'InsufficientMemoryResourcesFault'),
  ...classed('NoCapacity', 'InsufficientHostCapacityFault', 'InsufficientResourcesFault'),
  ...classed('NoCapacity', 'InsufficientStorageSpace', 'NoDiskSpace', 'InsufficientFailoverResourcesFault'),
  ...classed('NoCapacity', 'NoCompatibleHost', 'NoCompatibleHardAffinityHost', 'RuleViolation'),
  ...classed('NoCapacity', 'NoActiveHostInCluster', 'DisallowedOperationOnFailoverHost'),
  // It will never work.
  ...classed('Permanent', 'GenericVmConfigFault', 'CannotAccessVmDevice', 'DeviceNotFound', 'VmConfigFault'),
  ...classed('Permanent', 'CpuIncompatible', 'NumVirtualCpusExceedsLimit', 'MissingPowerOnConfiguration'),
  ...classed('Permanent', 'OvfConsumerPowerOnFault', 'NotEnoughLicenses', 'VmLimitLicense', 'LicenseExpired'),
  ...classed('Permanent', 'NoPermission', 'ManagedObjectNotFound', 'NotSupported'),
  ...classed('Permanent', 'InvalidArgument', 'NotImplemented', 'MethodNotFound', 'InvalidRequest'),
]);

function classed(failureClass: FailureClass, ...types: string[]): [string, FailureClass][] {
  return types.map((type) => [type, failureClass]);
}

/** Prefixes of the keys of messages that report a disk held by another host or process. */
const LOCKED = /^msg\.fileio\.lock|^vob\.fs3\..*lock|^msg\.disklib\..*LOCK/i;

/** What people can do about it, by type. */
const CURES: ReadonlyMap<string, string> = new Map([
  ['InvalidLogin', 'correct the user or the password'],
  ['InsufficientFailoverResourcesFault', 'HA admission control keeps this room for failover'],
  ['FileLocked', 'another host or a backup holds a disk of it'],
  ['VmPowerOnDisabled', 'a solution that manages the VM forbids it'],
  ['MethodDisabled', 'a solution that manages the VM forbids it'],
  ['NotEnoughLicenses', 'the licence of vSphere does not allow it'],
  ['VmLimitLicense', 'the licence of vSphere does not allow it'],
  ['LicenseExpired', 'the licence of vSphere has expired'],
]);

/** The class of a fault, and what people read: the server's own words, the type, and what to do where that is known. */
export function classifyFault(fault: Fault): { class: FailureClass; message: string } {
  const locked = fault.keys.some((key) => LOCKED.test(key));
  const failureClass = locked ? 'Transient' : (CLASSES.get(fault.type) ?? 'Transient');
  const cure = locked
    ? CURES.get('FileLocked')
    : fault.type === 'NoPermission'
      ? missing(fault)
      : CURES.get(fault.type);
  return {
    class: failureClass,
    message: `vSphere: ${describeFault(fault)}${cure === undefined ? '' : `; ${cure}`}`,
  };
}

function missing({ detail }: Fault): string | undefined {
  const privilege = textOf(detail, 'privilegeId');
  return privilege === undefined ? undefined : `give the user the privilege ${privilege}`;
}

/** The error of a platform for whatever a call threw. `what` was to be done, for people. */
export function platformError(error: unknown, what: string): PlatformError {
  if (error instanceof PlatformError) return error;
  const cause = { cause: error };
  if (error instanceof VimFault) {
    const { class: failureClass, message } = classifyFault(error.fault);
    return new PlatformError(failureClass, `${what}: ${message}`, undefined, cause);
  }
  if (error instanceof HttpStatusError && (error.status === 429 || error.retryAfter !== undefined)) {
    const retryAfter = error.retryAfter === undefined ? undefined : error.retryAfter * 1_000;
    return new PlatformError('Throttled', `${what}: ${error.message}`, retryAfter, cause);
  }
  // A certificate that is not trusted is set right by people, but a retry costs nothing and notices that.
  const message = error instanceof TransportError || error instanceof Error ? error.message : String(error);
  return new PlatformError('Transient', `${what}: ${message}`, undefined, cause);
}
