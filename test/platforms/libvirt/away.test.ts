/**
 * What is said of VMs that a host cannot be asked about, or has no configuration of, on libvirt's own test driver: two daemons are two hosts.
 *
 * Guarantees: G8.
 */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { PowerState } from '../../../api';
import type { VirtualMachineRef } from '../../../contract';
import type { PowerRequest } from '../../../platforms';
import { LibvirtPlatform } from '../../../platforms/libvirt';
import { startLibvirt, type TestLibvirt } from '../../support/libvirt';
import { startLibvirtLine, type LibvirtLine } from '../../support/libvirt-line';
import { withoutTestDriver } from '../../support/libvirt-parts';
import { until } from '../../support/until';
import { defineOnTestDriver, hostBy, TEST_DRIVER, withTestDomain } from '../conformance/libvirt';

jest.setTimeout(120_000);

const why = withoutTestDriver();
if (why !== undefined) test.skip(`a host that is away (left out: ${why})`, () => undefined);
else {
  let [alpha, beta] = [undefined, undefined] as unknown as [TestLibvirt, TestLibvirt];
  let line: LibvirtLine;
  const open: LibvirtPlatform[] = [];

  beforeAll(async () => {
    [alpha, beta] = await Promise.all([startLibvirt({ guests: false }), startLibvirt({ guests: false })]);
    line = await startLibvirtLine(path.join(alpha.dir, 'beta.sock'), beta.socket);
  });
  afterEach(async () => {
    line.restore();
    await Promise.all(open.splice(0).map((platform) => platform.close()));
  });
  afterAll(async () => {
    await line?.close();
    await Promise.all([alpha?.stop(), beta?.stop()]);
  });

  function start(): LibvirtPlatform {
    const hosts = [hostBy(alpha.socket, 'alpha', TEST_DRIVER), hostBy(line.socket, 'beta', TEST_DRIVER)];
    const platform = new LibvirtPlatform({ hosts });
    open.push(platform);
    return platform;
  }

  const newRef = (): VirtualMachineRef & { uuid: string } => {
    const uuid = randomUUID();
    return {
      namespace: 'prod',
      name: `vm-${uuid.slice(0, 8)}`,
      uid: `uid-${uuid}`,
      uuid,
      locator: `uuid:${uuid}`,
    };
  };

  let sequence = 0;
  function request(vm: VirtualMachineRef, powerState: PowerState): PowerRequest {
    sequence += 1;
    const operation = { id: `op-${sequence}`, sequence };
    return { vm, operation, powerState, guestShutdownTimeout: 0, caller: 'vmgroup/prod/web' };
  }

  /** The test driver of each daemon has it from the start. */
  const ON_BOTH: VirtualMachineRef = { namespace: 'prod', name: 'test', uid: 'uid-test' };
  async function reads(platform: LibvirtPlatform, vm: VirtualMachineRef): Promise<void> {
    const isRead = (): Promise<boolean> =>
      platform.read(vm).then(
        (state) => state !== undefined,
        () => false,
      );
    await until(isRead, `libvirt to have ${vm.name}`);
  }

  const unknown = {
    failureClass: 'Transient',
    message: expect.stringMatching(/may be on beta, which cannot be reached/) as string,
  };
  const outcome = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);

  test('PLATFORM-3: a VM that no host shows is not off while a host cannot be asked', async () => {
    const vm = newRef();
    await defineOnTestDriver(beta, vm.name, vm.uuid);
    await beta.virshTest('start', vm.uuid);
    line.cut();
    const platform = start();
    platform.track([vm]);
    await reads(platform, ON_BOTH);
    expect(await outcome(platform.power(request(vm, 'PoweredOff')))).toMatchObject(unknown);
    expect(await outcome(platform.power(request(vm, 'PoweredOn')))).toMatchObject(unknown);
    expect(await outcome(platform.read(vm))).toMatchObject(unknown);
    const place = platform.place([{ vm, cpus: 1, memory: 1 }], { caller: 'vmgroup/prod/web', sequence: 1 });
    expect(await outcome(place)).toMatchObject(unknown);
    expect([platform.mayHave(vm), platform.mayHave(newRef())]).toEqual([true, true]);
    line.restore();
    await reads(platform, vm);
    expect(platform.mayHave(newRef())).toBe(false);
    expect(await platform.read(vm)).toMatchObject({ status: { powerState: 'PoweredOn' } });
  });

  test('LIBVIRT-10: a domain without a configuration, as a live migration leaves it, is a VM that is on', async () => {
    const vm = newRef();
    await defineOnTestDriver(alpha, vm.name, vm.uuid);
    await withTestDomain(beta, 'create', vm);
    const platform = start();
    platform.track([vm]);
    await reads(platform, vm);
    expect(await platform.read(vm)).toMatchObject({
      status: { powerState: 'PoweredOn', placement: { node: 'beta' } },
    });
    expect(await platform.power(request(vm, 'PoweredOn'))).toMatchObject({
      status: { powerState: 'PoweredOn' },
    });
    expect(await outcome(platform.power(request(vm, 'PoweredOff')))).toMatchObject({
      failureClass: 'Permanent',
      message: expect.stringMatching(/is transient on beta: .*virsh define/) as string,
    });
    expect(await alpha.virshTest('domstate', vm.uuid)).toMatch(/shut off/);
    await beta.virshTest('destroy', vm.uuid);
    await until(async () => (await platform.read(vm))?.status.powerState === 'PoweredOff', 'its end');
  });
}
