/** Every fault of the table in docs/reference/vsphere.md, raised by the task of a power-on: its class, the type, the server's words. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Observer, type FailureClass } from '../../../platforms';
import { VspherePlatform } from '../../../platforms/vsphere';
import { startVcenter, type TestVcenter } from '../../support/vsphere';

jest.setTimeout(120_000);

const FAULTS: Record<'Transient' | 'NoCapacity' | 'Permanent', readonly string[]> = {
  Transient: [
    ...['TaskInProgress', 'VAppTaskInProgress', 'InvalidState', 'ConcurrentAccess', 'FileLocked'],
    ...['FileNotFound', 'CannotAccessFile', 'InaccessibleDatastore', 'HostNotConnected', 'HostNotReachable'],
    ...['HostCommunication', 'Timedout', 'MethodDisabled', 'VmPowerOnDisabled', 'RequestCanceled'],
    ...['InvalidPowerState', 'ToolsUnavailable'],
  ],
  NoCapacity: [
    ...['InsufficientCpuResourcesFault', 'InsufficientMemoryResourcesFault', 'InsufficientHostCapacityFault'],
    ...['InsufficientStorageSpace', 'NoDiskSpace', 'InsufficientFailoverResourcesFault', 'NoCompatibleHost'],
    ...['NoCompatibleHardAffinityHost', 'RuleViolation', 'NoActiveHostInCluster'],
    ...['DisallowedOperationOnFailoverHost'],
  ],
  Permanent: [
    ...['GenericVmConfigFault', 'CannotAccessVmDevice', 'DeviceNotFound', 'CpuIncompatible'],
    ...['NumVirtualCpusExceedsLimit', 'MissingPowerOnConfiguration', 'OvfConsumerPowerOnFault'],
    ...['NotEnoughLicenses', 'VmLimitLicense', 'LicenseExpired', 'NoPermission', 'ManagedObjectNotFound'],
  ],
};
const TABLE = Object.entries(FAULTS).flatMap(([failureClass, types]) =>
  types.map((type) => [type, failureClass as FailureClass] as const),
);

let vcenter: TestVcenter;
let platform: VspherePlatform;
let observer: Observer;

beforeAll(async () => {
  vcenter = await startVcenter();
  await vcenter.drs('off');
  for (const [type] of TABLE) {
    await vcenter.create({ name: type });
    await vcenter.behave(type, { faults: [{ method: 'PowerOnVM_Task', type, message: `It says ${type}.` }] });
  }
  const { address, user, password, authority } = vcenter;
  platform = new VspherePlatform({
    address,
    trust: { ca: authority.certificate },
    credentials: async () => ({ user, password }),
  });
  platform.track(TABLE.map(([name]) => ({ namespace: 'prod', name, uid: name })));
  observer = new Observer(platform);
  await observer.synced();
});
afterAll(async () => {
  await observer?.close();
  await platform?.close();
  await vcenter?.stop();
});

test.each(TABLE)('VSPHERE-1: a task that ends with %s is %s', async (type, failureClass) => {
  const vm = { namespace: 'prod', name: type, uid: type };
  const operation = { id: `op-${type}`, sequence: 1 };
  const request = { vm, operation, powerState: 'PoweredOn' as const, guestShutdownTimeout: 0, caller: 'c' };
  await platform.power(request).catch(() => undefined);
  const failed = await observer.until(
    vm,
    (state) => state.operation?.phase === 'Failed',
    AbortSignal.timeout(60_000),
  );
  expect(failed.operation?.failure?.class).toBe(failureClass);
  expect(failed.operation?.failure?.message).toContain(`It says ${type}. (${type})`);
});

test('the reference has all of them, in their class', () => {
  const page = readFileSync(path.join(__dirname, '../../../docs/reference/vsphere.md'), 'utf8');
  const missing = TABLE.filter(
    ([type, failureClass]) => !new RegExp(`^\\| \`${failureClass}\` .*\`${type}\``, 'm').test(page),
  );
  expect(missing).toEqual([]);
});
