/** Power-off and suspend in their modes, with a guest that obeys and one that is deaf. */
import type { VirtualMachineRef } from '../../../contract';
import { setTimeout as sleep } from 'node:timers/promises';
import { attempt } from '../../activities/fixtures';
import { declared, testOf, type Bench } from './bench';
import type { PlatformUnderTest } from './platform-under-test';

/** Milliseconds that requests give the guest. */
const GUEST_TIME = 600;
/** Milliseconds by which a timer may be early. */
const EARLY = 20;

/** Defines the tests. */
export function describeModes(part: PlatformUnderTest, bench: Bench): void {
  describeObedientGuest(part, bench);
  describeDeafGuest(part, bench);
  describeSuspend(bench);
}

function describeObedientGuest(part: PlatformUnderTest, bench: Bench): void {
  const reaches =
    part.soft ?? declared(bench.capabilities.softShutdown, 'the platform does not reach the guest');
  for (const mode of ['Hard', 'Soft', 'TrySoft'] as const) {
    testOf(
      mode === 'Hard' ? true : reaches,
      `power-off in mode ${mode}, with a guest that obeys`,
      async () => {
        const vm = await bench.vm('PoweredOn');
        const before = await bench.record(vm);
        await bench.with(async ({ platform, untilPower }) => {
          await platform.power(bench.request(vm, 'PoweredOff', { mode, guestShutdownTimeout: 60_000 }));
          await untilPower(vm, 'PoweredOff');
          expect(await bench.record(vm, before)).toEqual({ operations: 1, effects: ['PoweredOff'] });
        });
      },
    );
  }
}

function describeDeafGuest(part: PlatformUnderTest, bench: Bench): void {
  const { guestTime = GUEST_TIME } = part;
  const off = (vm: VirtualMachineRef, mode: 'Hard' | 'Soft' | 'TrySoft'): ReturnType<Bench['request']> =>
    bench.request(vm, 'PoweredOff', { mode, guestShutdownTimeout: GUEST_TIME });

  testOf(
    part.deafen,
    'power-off in mode Soft leaves a VM with a deaf guest on; Hard then takes it off',
    async (deafen) => {
      const vm = await bench.vm('PoweredOn');
      await deafen(vm);
      await bench.with(async ({ platform, observer, untilPower }) => {
        await untilPower(vm, 'PoweredOn');
        await platform.power(off(vm, 'Soft'));
        await sleep(guestTime + 300);
        expect(observer.get(vm)).toMatchObject({ status: { powerState: 'PoweredOn' } });
        expect(observer.get(vm)?.operation?.phase).not.toBe('Done');
        await platform.power(off(vm, 'Hard'));
        await untilPower(vm, 'PoweredOff');
      });
    },
  );

  testOf(
    part.deafen,
    'power-off in mode TrySoft gives a deaf guest its time, and then takes the VM off',
    async (deafen) => {
      const vm = await bench.vm('PoweredOn');
      await deafen(vm);
      const before = await bench.record(vm);
      await bench.with(async ({ platform, untilPower }) => {
        const began = performance.now();
        await platform.power(off(vm, 'TrySoft'));
        await untilPower(vm, 'PoweredOff');
        expect(performance.now() - began).toBeGreaterThan(guestTime - EARLY);
        expect(await bench.record(vm, before)).toEqual({ operations: 1, effects: ['PoweredOff'] });
      });
    },
  );
}

function describeSuspend(bench: Bench): void {
  test.each(['PoweredOn', 'PoweredOff'] as const)(
    'a VM is suspended, and from there brought to %s',
    async (next) => {
      const vm = await bench.vm('PoweredOn');
      const before = await bench.record(vm);
      await bench.with(async ({ platform, untilPower }) => {
        await platform.power(bench.request(vm, 'Suspended'));
        const { status } = await untilPower(vm, 'Suspended');
        expect(status.ready).not.toBe(true);
        await platform.power(bench.request(vm, next));
        await untilPower(vm, next);
        expect(await bench.record(vm, before)).toEqual({ operations: 2, effects: ['Suspended', next] });
      });
    },
  );

  test('a VM that is off stays off when it is to be suspended', async () => {
    const vm = await bench.vm();
    await bench.with(async ({ activities, untilPower }) => {
      await untilPower(vm, 'PoweredOff');
      const { result } = await attempt(activities.suspend, bench.input(vm, 'Suspended'));
      expect(result).toMatchObject({ acted: false, status: { powerState: 'PoweredOff' } });
      expect(await bench.record(vm)).toEqual({ operations: 0, effects: [] });
    });
  });
}
