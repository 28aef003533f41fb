/**
 * The platform `libvirt` on real guests: what the conformance suite does not ask.
 *
 * Guarantees: G1, G5.
 */
import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { PowerState } from '../../../api';
import type { VirtualMachineRef } from '../../../contract';
import { Observer, type PowerRequest, type VirtualMachineState } from '../../../platforms';
import { LibvirtPlatform, type HostOptions } from '../../../platforms/libvirt';
import { startLibvirt, type TestLibvirt } from '../../support/libvirt';
import { withoutLibvirt } from '../../support/libvirt-parts';
import { until } from '../../support/until';

jest.setTimeout(180_000);

const LIMIT = 120_000;
let libvirt: TestLibvirt;
let platform: LibvirtPlatform;
let observer: Observer;
let sequence = 100;

const ref = (name: string): VirtualMachineRef => ({ namespace: 'prod', name, uid: `uid-${name}` });
const here = (name: string, uri = 'qemu:///session'): HostOptions => ({
  name,
  uri,
  transport: { type: 'Socket', paths: [libvirt.socket] },
});

function request(name: string, powerState: PowerState, more: Partial<PowerRequest> = {}): PowerRequest {
  sequence += 1;
  const operation = { id: `op-${sequence}`, sequence };
  return {
    vm: ref(name),
    operation,
    powerState,
    guestShutdownTimeout: 60_000,
    caller: 'vmgroup/prod/web',
    ...more,
  };
}

const seen = (name: string, holds: (state: VirtualMachineState) => boolean): Promise<VirtualMachineState> =>
  observer.until(ref(name), holds, AbortSignal.timeout(LIMIT));
const is = (name: string, powerState: PowerState): Promise<VirtualMachineState> =>
  seen(
    name,
    ({ status, operation }) => status.powerState === powerState && operation?.phase !== 'InProgress',
  );

async function define(...[name, options]: Parameters<TestLibvirt['define']>): Promise<void> {
  await libvirt.define(name, options);
  platform.track([ref(name)]);
  await until(() => observer.get(ref(name)) !== undefined, `libvirt to report ${name}`);
}

const uptimes = (name: string): number[] =>
  [...libvirt.serial(name).matchAll(/UPTIME (\d+)/g)].map(([, text]) => Number(text));

const why = withoutLibvirt();
if (why !== undefined) test.skip(`the platform libvirt on real guests (left out: ${why})`, () => undefined);
else
  describe('on a host', () => {
    beforeAll(async () => {
      libvirt = await startLibvirt();
      platform = new LibvirtPlatform({ hosts: [here('alpha')] });
      observer = new Observer(platform);
    });
    afterAll(async () => {
      await observer?.close();
      await platform?.close();
      await libvirt?.stop();
    });

    test('a guest that is suspended resumes where it was', async () => {
      await define('sleeper', { guest: 'linux', mode: 'uptime' });
      await platform.power(request('sleeper', 'PoweredOn'));
      await seen('sleeper', ({ status }) => status.ready === true);
      await until(() => uptimes('sleeper').length > 2, 'the uptime');
      await platform.power(request('sleeper', 'Suspended'));
      await is('sleeper', 'Suspended');
      const before = uptimes('sleeper');
      await platform.power(request('sleeper', 'PoweredOn'));
      await is('sleeper', 'PoweredOn');
      // libvirt recreates the file of the serial port: a guest that had booted would say so.
      await until(() => uptimes('sleeper').length > 1, 'more uptime');
      expect(libvirt.serial('sleeper')).not.toContain('READY');
      expect(uptimes('sleeper')[0]).toBeGreaterThanOrEqual(before.at(-1) ?? NaN);
      // Its agent is connected again.
      await seen('sleeper', ({ status }) => status.ready === true);
    });

    test('QEMU that is killed is a VM that is off, and nothing that we did', async () => {
      await define('victim', { guest: 'button' });
      const on = request('victim', 'PoweredOn');
      await platform.power(on);
      await is('victim', 'PoweredOn');
      process.kill(libvirt.qemu('victim') ?? NaN, 'SIGKILL');
      const { status, operation } = await is('victim', 'PoweredOff');
      expect(status.ready).toBeUndefined();
      expect(operation).toMatchObject({ id: on.operation.id, phase: 'Done' });
    });

    test('LIBVIRT-15: an agent that hangs keeps neither the request by ACPI nor libvirt', async () => {
      await define('stuck', { guest: 'linux', mode: 'hung' });
      await platform.power(request('stuck', 'PoweredOn'));
      await until(() => libvirt.serial('stuck').includes('READY'), 'the guest');
      await platform.power(request('stuck', 'PoweredOff', { mode: 'Soft' }));
      await is('stuck', 'PoweredOff');
      expect(libvirt.log('stuck')).toMatch(/shutting down, reason=shutdown/);
    });

    test('a guest that crashed and is kept so is neither off nor on, and goes off without being asked', async () => {
      await define('crashing', { guest: 'panicking' });
      await platform.power(request('crashing', 'PoweredOn'));
      await is('crashing', 'Suspended');
      expect((await libvirt.virsh('domstate', '--reason', 'crashing')).trim()).toBe('crashed (panicked)');
      const qemu = libvirt.qemu('crashing');
      expect(qemu).toBeDefined();
      await expect(platform.power(request('crashing', 'PoweredOn'))).rejects.toMatchObject({
        failureClass: 'Permanent',
        message: expect.stringContaining('its guest crashed and alpha keeps it as it is') as string,
      });
      await expect(platform.power(request('crashing', 'PoweredOff', { mode: 'Soft' }))).rejects.toMatchObject(
        {
          failureClass: 'Permanent',
        },
      );
      expect(libvirt.qemu('crashing')).toBe(qemu);
      // Longer than this test may take.
      await platform.power(request('crashing', 'PoweredOff', { guestShutdownTimeout: 3_600_000 }));
      await is('crashing', 'PoweredOff');
      expect(libvirt.qemu('crashing')).toBeUndefined();
    });

    test('a paused VM is reported as such, and resumes only if it is wanted on', async () => {
      await define('paused', { guest: 'button' });
      await platform.power(request('paused', 'PoweredOn'));
      await is('paused', 'PoweredOn');
      await libvirt.virsh('suspend', 'paused');
      await is('paused', 'Suspended');
      await platform.power(request('paused', 'PoweredOn'));
      await is('paused', 'PoweredOn');
      expect((await libvirt.virsh('domstate', 'paused')).trim()).toBe('running');
    });

    test('a missing disk fails the operation in the words of libvirt, and a next one works once it is there', async () => {
      const disk = path.join(libvirt.dir, 'guest/late.img');
      await define('late', { guest: 'button', disk });
      const on = request('late', 'PoweredOn');
      const refused: unknown = await platform.power(on).catch((error: unknown) => error);
      expect(refused).toMatchObject({
        failureClass: 'Transient',
        message: expect.stringContaining('late.img') as string,
      });
      writeFileSync(disk, Buffer.alloc(1_048_576));
      chmodSync(disk, 0o666);
      await platform.power(request('late', 'PoweredOn'));
      await is('late', 'PoweredOn');
    });

    test('LIBVIRT-14: a VM that two hosts have is placed on one, and not started while the other cannot be asked', async () => {
      await define('double', { guest: 'button' });
      const uuid = (await libvirt.virsh('domuuid', 'double')).trim();
      const xml = path.join(libvirt.dir, 'double.xml');
      writeFileSync(
        xml,
        `<domain type='test'><name>double</name><uuid>${uuid}</uuid><memory unit='MiB'>8</memory><os><type>hvm</type></os></domain>`,
      );
      await libvirt.virshTest('define', xml);
      const pair = new LibvirtPlatform({ hosts: [here('alpha'), here('beta', 'test:///default')] });
      const lame = new LibvirtPlatform({
        hosts: [here('alpha'), { ...here('beta'), transport: { type: 'Socket', paths: ['/nowhere'] } }],
      });
      try {
        for (const each of [pair, lame]) each.track([ref('double')]);
        const vm = ref('double');
        const preview = await pair.preview([{ vm, cpus: 1, memory: 1 }], {});
        expect(preview).toMatchObject({ type: 'Placed', placements: [{ placement: { node: 'alpha' } }] });
        const [placed] = await pair.place([{ vm, cpus: 1, memory: 1 }], {
          caller: 'vmgroup/prod/web',
          sequence: 1,
        });
        expect(placed?.placement).toMatchObject({ node: 'alpha' });
        const blind: unknown = await lame
          .power(request('double', 'PoweredOn'))
          .catch((error: unknown) => error);
        expect(blind).toMatchObject({
          failureClass: 'Transient',
          message: expect.stringContaining('may run on beta') as string,
        });
        await libvirt.virshTest('start', 'double');
        await pair.power(request('double', 'PoweredOn'));
        expect(await pair.read(vm)).toMatchObject({
          status: { powerState: 'PoweredOn', placement: { node: 'beta' } },
        });
        expect((await libvirt.virsh('domstate', 'double')).trim()).toBe('shut off');
      } finally {
        await Promise.all([pair.close(), lame.close()]);
      }
    });
  });
