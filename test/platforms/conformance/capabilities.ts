/** What a platform declares that it can do is what it does. */
import { CAPABILITIES, type GuestReport, type PlatformType } from '../../../platforms';
import { until } from '../../support/until';
import { CALLER, testOf, type Bench } from './bench';
import { isLeftOut, type PlatformUnderTest } from './platform-under-test';

/** Defines the tests. What is declared of soft shutdown and fencing decides which tests of those there are. */
export function describeCapabilities(name: PlatformType, part: PlatformUnderTest, bench: Bench): void {
  const { capabilities } = bench;

  test('it declares what the table of platforms says', async () => {
    await bench.with(async ({ platform }) => {
      expect(platform.name).toBe(name);
      expect(platform.capabilities).toEqual(CAPABILITIES[name]);
      // Where DRS may place, that depends on the part.
      if (!capabilities.placement.startsWith('HostsOrDrs'))
        expect(isLeftOut(part.unplaced)).toBe(capabilities.placement === 'Platform');
    });
  });

  testOf(part.unplaced, `declared: placement by ${capabilities.placement}`, async (unplaced) => {
    const requests = await unplaced([bench.name()]);
    await bench.with(async ({ platform }) => {
      const [placed] = await platform.place(requests, { caller: CALLER, sequence: 1 });
      expect(placed?.placement?.zoneID).toMatch(/./);
      expect(placed?.placement?.node !== undefined).toBe(capabilities.placement.startsWith('Hosts'));
    });
  });

  const says = (can: boolean): string => (can ? 'declared' : 'not declared, and not reported');
  const { gates, guestAddress, guestReports } = capabilities;

  const makeReady = part.ready ?? part.make.bind(part);
  testOf(makeReady, `gate Ready: ${says(gates.includes('Ready'))}`, async (make) => {
    const vm = await bench.readyVm(make);
    await bench.with(async ({ platform, until: untilState, untilPower, observer }) => {
      await untilPower(vm, 'PoweredOff');
      expect(observer.get(vm)?.status.ready).not.toBe(true);
      await platform.power(bench.request(vm, 'PoweredOn'));
      const on = await untilPower(vm, 'PoweredOn');
      if (gates.includes('Ready')) await untilState(vm, ({ status }) => status.ready === true);
      else expect(on.status.ready).toBeUndefined();
    });
  });

  test(`gate on a condition: ${says(gates.includes('Condition'))}`, async () => {
    const vm = await bench.vm('PoweredOn');
    await bench.with(async ({ untilPower, observer }) => {
      const { status } = await untilPower(vm, 'PoweredOn');
      if (gates.includes('Condition'))
        await until(() => (observer.get(vm)?.status.conditions?.length ?? 0) > 0);
      else expect(status.conditions).toBeUndefined();
    });
  });

  test(`address of the guest: ${says(guestAddress)}`, async () => {
    const vm = await bench.vm('PoweredOn');
    await bench.with(async ({ untilPower, until: untilState }) => {
      const { status } = await untilPower(vm, 'PoweredOn');
      if (guestAddress) await untilState(vm, (state) => state.status.address !== undefined);
      else expect(status.address).toBeUndefined();
    });
  });

  test(`reports of the guest: ${guestReports.join(', ') || 'not declared, and none'}`, async () => {
    const vm = await bench.vm();
    await bench.with(async ({ platform, untilPower }) => {
      await untilPower(vm, 'PoweredOff');
      if (guestReports.length === 0) return expect('guest' in platform).toBe(false);
      const report = (): Promise<GuestReport | undefined> | undefined => platform.guest?.(vm, ['not set']);
      expect((await report())?.heartbeat).not.toBe('green');
      await platform.power(bench.request(vm, 'PoweredOn'));
      if (guestReports.includes('Heartbeat'))
        await until(async () => (await report())?.heartbeat === 'green');
      expect((await report())?.info).toEqual(new Map());
      await part.vanish(vm);
      expect(await report()).toBeUndefined();
    });
  });
}
