/** What each fault of vSphere means for the next step. */
import type { FailureClass } from '../../../platforms';
import { classifyFault, platformError } from '../../../platforms/vsphere/faults';
import { HttpStatusError, TransportError, VimFault, type Fault } from '../../../platforms/vsphere/soap';
import { soapFault } from '../../../platforms/vsphere/soap/faults';
import { parseXml } from '../../../platforms/vsphere/soap/xml';

const LIMITS = { length: 10_000, tags: 200, depth: 20 };

function fault(type: string, { message = 'Said so.', keys = [] as string[], inner = '' } = {}): Fault {
  const messages = keys.map((key) => `<faultMessage><key>${key}</key><message>m</message></faultMessage>`);
  return soapFault(
    parseXml(
      `<Fault xmlns:xsi="x"><faultcode>ServerFaultCode</faultcode><faultstring>${message}</faultstring>` +
        `<detail><${type}Fault xsi:type="${type}">${messages.join('')}${inner}</${type}Fault></detail></Fault>`,
      LIMITS,
    ),
  );
}

const TABLE: [FailureClass, string[]][] = [
  [
    'Transient',
    ['TaskInProgress', 'VAppTaskInProgress', 'InvalidState', 'InvalidPowerState', 'ConcurrentAccess'],
  ],
  ['Transient', ['RequestCanceled', 'MethodDisabled', 'VmPowerOnDisabled', 'FileLocked', 'FileNotFound']],
  ['Transient', ['CannotAccessFile', 'InaccessibleDatastore', 'HostNotConnected', 'HostCommunication']],
  ['Transient', ['HostNotReachable', 'Timedout', 'NotAuthenticated', 'InvalidLogin', 'ToolsUnavailable']],
  ['NoCapacity', ['InsufficientCpuResourcesFault', 'InsufficientMemoryResourcesFault', 'NoDiskSpace']],
  ['NoCapacity', ['InsufficientHostCapacityFault', 'InsufficientStorageSpace', 'RuleViolation']],
  ['NoCapacity', ['InsufficientFailoverResourcesFault', 'NoCompatibleHost', 'NoCompatibleHardAffinityHost']],
  ['NoCapacity', ['NoActiveHostInCluster', 'DisallowedOperationOnFailoverHost']],
  ['Permanent', ['GenericVmConfigFault', 'CannotAccessVmDevice', 'DeviceNotFound', 'CpuIncompatible']],
  ['Permanent', ['NumVirtualCpusExceedsLimit', 'MissingPowerOnConfiguration', 'OvfConsumerPowerOnFault']],
  ['Permanent', ['NotEnoughLicenses', 'VmLimitLicense', 'LicenseExpired', 'NoPermission']],
  ['Permanent', ['ManagedObjectNotFound', 'NotSupported', 'InvalidArgument']],
  // What no table knows may pass.
  ['Transient', ['SomethingNewInVersion10']],
];

test.each(TABLE.flatMap(([failureClass, types]) => types.map((type) => [type, failureClass] as const)))(
  'VSPHERE-1: %s is %s, in the words of the server',
  (type, failureClass) => {
    const classified = classifyFault(fault(type));
    expect(classified.class).toBe(failureClass);
    expect(classified.message).toMatch(new RegExp(`^vSphere: Said so\\. \\(${type}\\)`));
  },
);

test('VSPHERE-1: a lock on a disk is Transient whatever the type, and the message names what holds it', () => {
  const locked = fault('GenericVmConfigFault', { keys: ['msg.disk.notConfigured', 'msg.fileio.lock'] });
  expect(classifyFault(locked)).toMatchObject({
    class: 'Transient',
    message: expect.stringContaining('another host or a backup holds a disk of it') as string,
  });
});

test('VSPHERE-1: the text of a fault decides nothing', () => {
  const misleading = fault('InvalidPowerState', { message: 'NoPermission: InsufficientMemory FileLocked' });
  expect(classifyFault(misleading).class).toBe('Transient');
});

test('a missing privilege is named', () => {
  const refused = fault('NoPermission', {
    inner: '<privilegeId>VirtualMachine.Interact.PowerOn</privilegeId>',
  });
  expect(classifyFault(refused).message).toContain(
    'give the user the privilege VirtualMachine.Interact.PowerOn',
  );
});

test.each([
  ['a fault', new VimFault(fault('NoCompatibleHost'), 'PowerOnVM_Task'), 'NoCapacity', undefined],
  ['a broken connection', new TransportError('Unreachable', 'reset'), 'Transient', undefined],
  ['an untrusted certificate', new TransportError('Untrusted', 'self-signed'), 'Transient', undefined],
  ['503 with a time', new HttpStatusError('vc', 'Login', 503, 7), 'Throttled', 7_000],
  ['503 without', new HttpStatusError('vc', 'Login', 503, undefined), 'Transient', undefined],
  ['429', new HttpStatusError('vc', 'Login', 429, undefined), 'Throttled', undefined],
  ['anything else', new Error('odd'), 'Transient', undefined],
] as const)('%s becomes an error of the platform', (_, thrown, failureClass, retryAfter) => {
  const error = platformError(thrown, 'VM prod/db');
  expect(error.failureClass).toBe(failureClass);
  expect(error.retryAfter).toBe(retryAfter);
  expect(error.message).toMatch(/^VM prod\/db: /);
});
