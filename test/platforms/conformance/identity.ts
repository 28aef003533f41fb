/** Which VM is meant: VMs that vanish, that are recreated under the same name, and names that do harm. */
import { until } from '../../support/until';
import { attempt } from '../../activities/fixtures';
import { classOf, refusalOf, testOf, type Bench } from './bench';
import type { PlatformUnderTest } from './platform-under-test';
import { PlatformError, virtualMachineKey, type Observer } from '../../../platforms';

/** Defines the tests. */
export function describeIdentity(part: PlatformUnderTest, bench: Bench): void {
  describeGone(part, bench);
  describeNames(part, bench);
}

function describeGone(part: PlatformUnderTest, bench: Bench): void {
  test('a VM that vanished: the watch says so, power-on is refused for good, power-off is done', async () => {
    const vm = await bench.vm('PoweredOn');
    await bench.with(async ({ platform, observer, untilPower }) => {
      await untilPower(vm, 'PoweredOn');
      await part.vanish(vm);
      await until(() => observer.get(vm) === undefined);
      expect(await platform.read(vm)).toBeUndefined();
      const refusal = await refusalOf(platform.power(bench.request(vm, 'PoweredOn')));
      expect(refusal.failureClass).toBe('Permanent');
      expect(refusal.message).toContain(`${vm.namespace}/${vm.name}`);
      const off = await platform.power(bench.request(vm, 'PoweredOff'));
      expect(off).toMatchObject({ status: { powerState: 'PoweredOff' }, operation: { phase: 'Done' } });
    });
  });

  testOf(part.slow, 'a VM that vanishes in the middle of an operation ends it for good', async (slow) => {
    const vm = await bench.vm();
    await slow([vm], 5);
    await bench.with(async ({ activities }) => {
      const input = bench.input(vm, 'PoweredOn');
      const running = attempt(activities.powerOn, input);
      await until(async () => (await bench.record(vm)).operations === 1);
      await part.vanish(vm);
      const { error } = await running;
      // Where a VM is stopped before it is removed, its start fails first, and the next attempt finds that it is gone.
      const last = error?.type === 'Transient' ? (await attempt(activities.powerOn, input)).error : error;
      expect(last).toMatchObject({ type: 'Permanent', nonRetryable: true });
    });
  });

  test('a VM recreated under the same name is another VM: operations on the old one do not touch it', async () => {
    const old = await bench.vm();
    await bench.with(async ({ platform, observer, untilPower }) => {
      await platform.power(bench.request(old, 'PoweredOn', { sequence: 50 }));
      await untilPower(old, 'PoweredOn');
      const vm = await bench.recreate(old);
      expect(vm).toMatchObject({ namespace: old.namespace, name: old.name });
      expect(vm.uid).not.toBe(old.uid);
      await part.change(vm, 'PoweredOn');
      await untilPower(vm, 'PoweredOn');
      expect(observer.get(old)).toBeUndefined();
      expect(await platform.read(old)).toBeUndefined();
      expect(await refusalOf(platform.power(bench.request(old, 'PoweredOn')))).toMatchObject({
        failureClass: 'Permanent',
      });
      await platform.power(bench.request(old, 'PoweredOff'));
      // The sequences of the old VM do not count for the new one.
      await platform.power(bench.request(vm, 'PoweredOff', { sequence: 1, mode: 'Hard' }));
      await untilPower(vm, 'PoweredOff');
      expect(await bench.record(vm)).toEqual({ operations: 1, effects: ['PoweredOn', 'PoweredOff'] });
    });
  });
}

/** Names that no platform has, made to escape from paths, queries, lines and lookups. */
const GARBAGE = [
  ...['', '.', '..', '../..', 'a/b', 'a/status', 'a?watch=true', 'a#b', '%2e%2e', 'a b', 'a\nb', 'a\u0000b'],
  ...['__proto__', 'hasOwnProperty', 'ü', '名前', '💥', '\ud800', '"', "'; --", '$(id)', '<a>&amp;', '*'],
  'x'.repeat(4_000),
];

function describeNames(part: PlatformUnderTest, bench: Bench): void {
  test('G3: names that no platform has, however odd, do no harm', async () => {
    const bystander = await bench.vm('PoweredOn');
    const before = await bench.record(bystander);
    await bench.with(async ({ platform, observer, untilPower }) => {
      const known = keysOf(observer);
      const calls = GARBAGE.flatMap((text) => {
        const uid = 'no-such-uid';
        return [
          { namespace: bystander.namespace, name: text, uid },
          { namespace: text, name: bystander.name, uid },
          { ...bystander, uid: text },
        ];
      }).map(async (vm) => {
        const read = await platform.read(vm).catch((error: unknown) => error);
        const on = await platform.power(bench.request(vm, 'PoweredOn')).catch((error: unknown) => error);
        const off = await platform.power(bench.request(vm, 'PoweredOff')).catch((error: unknown) => error);
        return {
          vm,
          read: read === undefined || read instanceof PlatformError,
          on: classOf(on),
          off: outcomeOf(off),
        };
      });
      for (const { vm, read, on, off } of await Promise.all(calls)) {
        expect({ vm, read, on }).toEqual({ vm, read: true, on: 'Permanent' });
        expect(['PoweredOff', 'Permanent']).toContain(off);
      }
      await platform.power(bench.request(bystander, 'PoweredOff', { mode: 'Hard' }));
      await untilPower(bystander, 'PoweredOff');
      expect(keysOf(observer)).toEqual(known);
      expect(await bench.record(bystander, before)).toEqual({ operations: 1, effects: ['PoweredOff'] });
    });
  });

  test('G3: names that the platform allows, however odd, are names like any other', async () => {
    const vms = await bench.make(part.oddNames);
    await bench.with(async ({ platform, observer, untilPower }) => {
      for (const vm of vms) expect((await platform.read(vm))?.vm).toEqual(vm);
      await Promise.all(
        vms.map((vm) => platform.power(bench.request(vm, 'PoweredOn', { id: `on-${vm.uid}` }))),
      );
      await Promise.all(vms.map((vm) => untilPower(vm, 'PoweredOn')));
      expect(observer.list().map(({ vm }) => vm)).toEqual(expect.arrayContaining(vms));
    });
    expect(await part.records(vms)).toEqual(vms.map(() => ({ operations: 1, effects: ['PoweredOn'] })));
    // Eight guests that boot at once without KVM take a minute beside other tests.
  }, 300_000);
}

function keysOf(observer: Observer): string[] {
  return observer
    .list()
    .map(({ vm }) => virtualMachineKey(vm))
    .sort();
}

function outcomeOf(ended: unknown): string {
  if (ended instanceof Error) return classOf(ended);
  return (ended as { status: { powerState: string } }).status.powerState;
}
