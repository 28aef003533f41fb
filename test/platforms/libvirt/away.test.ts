/**
 * What is said of VMs that a host cannot be asked about, or has no configuration of, on libvirt's own test driver: two daemons are two hosts.
 *
 * Guarantees: G8.
 */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { PowerState } from '../../../api';
import type { VirtualMachineRef } from '../../../contract';
import { judgeHost } from '../../../cli/doctor/platforms/libvirt';
import type { PowerRequest, VirtualMachineState } from '../../../platforms';
import { LibvirtPlatform, surveyHost } from '../../../platforms/libvirt';
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
  /** Paths of VMs that were told to be unreadable. */
  const told: string[] = [];

  beforeAll(async () => {
    [alpha, beta] = await Promise.all([startLibvirt({ guests: false }), startLibvirt({ guests: false })]);
    line = await startLibvirtLine(path.join(alpha.dir, 'beta.sock'), beta.socket);
  });
  afterEach(async () => {
    line.restore();
    told.length = 0;
    await Promise.all(open.splice(0).map((platform) => platform.close()));
  });
  afterAll(async () => {
    await line?.close();
    await Promise.all([alpha?.stop(), beta?.stop()]);
  });

  function start(): LibvirtPlatform {
    const hosts = [hostBy(alpha.socket, 'alpha', TEST_DRIVER), hostBy(line.socket, 'beta', TEST_DRIVER)];
    const platform = new LibvirtPlatform({ hosts, onUnreadable: (where) => void told.push(where) });
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

  describe('LIBVIRT-16: a VM that libvirt does not let us read', () => {
    const unreadable = {
      failureClass: 'Transient',
      message: expect.stringMatching(/cannot be read/) as string,
    };
    let vm: ReturnType<typeof newRef>;
    let other: ReturnType<typeof newRef>;
    beforeEach(async () => {
      [vm, other] = [newRef(), newRef()];
      for (const { name, uuid } of [vm, other]) {
        await defineOnTestDriver(beta, name, uuid);
        await beta.virshTest('start', uuid);
      }
    });

    test('is neither off nor gone, and the others of its host are operated', async () => {
      line.hide(vm.name);
      const platform = start();
      platform.track([vm, other]);
      await reads(platform, other);
      expect(await platform.power(request(other, 'PoweredOff'))).toMatchObject({
        operation: { phase: expect.stringMatching(/InProgress|Done/) as string },
      });
      await until(async () => (await platform.read(other))?.status.powerState === 'PoweredOff', 'its end');
      const wanted = {
        ...unreadable,
        message: `VM prod/${vm.name}: /beta/${vm.name} cannot be read: libvirt: `,
      };
      for (const call of [
        platform.power(request(vm, 'PoweredOff')),
        platform.power(request(vm, 'PoweredOn')),
        platform.read(vm),
        platform.place([{ vm, cpus: 1, memory: 1 }], { caller: 'vmgroup/prod/web', sequence: 1 }),
      ])
        expect(await outcome(call)).toMatchObject({
          ...wanted,
          message: expect.stringContaining(wanted.message) as string,
        });
      expect([platform.mayHave(vm), platform.mayHave(newRef())]).toEqual([true, false]);
      expect(told).toEqual([`/beta/${vm.name}`]);

      line.restore();
      await reads(platform, vm);
      expect(await platform.read(vm)).toMatchObject({ status: { powerState: 'PoweredOn' } });
    });

    test('keeps its state as it was last known, and says why', async () => {
      const platform = start();
      platform.track([vm, other]);
      await reads(platform, vm);
      const seen = new Map<string, VirtualMachineState>();
      const ended = new AbortController();
      const watch = platform.watch(
        {
          changed: (state) => void seen.set(state.vm.name, state),
          deleted: ({ name }) => void seen.delete(name),
          synced: () => undefined,
        },
        ended.signal,
      );
      await platform.power(request(vm, 'PoweredOn'));
      line.hide(vm.name);
      await beta.virshTest('destroy', vm.uuid);
      await until(() => told.length > 0, 'it to be found unreadable');
      expect(seen.get(vm.name)).toMatchObject({ status: { powerState: 'PoweredOn' } });
      expect(await outcome(platform.read(vm))).toMatchObject({
        message: expect.stringMatching(/libvirt: /) as string,
      });
      expect(await platform.read(other)).toMatchObject({ status: { powerState: 'PoweredOn' } });
      line.restore();
      await until(() => seen.get(vm.name)?.status.powerState === 'PoweredOff', 'its end to be seen');
      ended.abort();
      await watch;
    });

    test('LIBVIRT-14: is not started on another host meanwhile', async () => {
      await defineOnTestDriver(alpha, vm.name, vm.uuid);
      line.hide(vm.name);
      const platform = start();
      platform.track([vm]);
      await reads(platform, vm);
      expect(await outcome(platform.power(request(vm, 'PoweredOn')))).toMatchObject({
        failureClass: 'Transient',
        message: expect.stringMatching(
          /may run on beta, and is not started on alpha while it cannot be read there/,
        ) as string,
      });
      expect(await alpha.virshTest('domstate', vm.uuid)).toMatch(/shut off/);
    });

    test('is a problem that doctor names', async () => {
      line.hide(vm.name);
      const survey = await surveyHost(hostBy(line.socket, 'beta', TEST_DRIVER), AbortSignal.timeout(30_000));
      expect(survey.unreadable).toMatchObject([
        { name: vm.name, reason: expect.stringMatching(/unsupported flags/) as string },
      ]);
      expect(survey.domains.map(({ name }) => name)).toContain(other.name);
      expect(judgeHost({ name: 'beta', survey }, false)).toContainEqual(
        expect.objectContaining({ result: 'problem', facts: { unreadable: [vm.name] } }),
      );
    });
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
