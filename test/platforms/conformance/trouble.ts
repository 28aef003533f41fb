/** Refusals and their classes, and calls that are given up. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { VirtualMachineRef } from '../../../contract';
import { LONGEST_RETRY_AFTER } from '../../../platforms';
import { attempt } from '../../activities/fixtures';
import { CALLER, refusalOf, testOf, type Bench, type Process } from './bench';
import { isLeftOut, type PlatformUnderTest } from './platform-under-test';

/** Milliseconds; calls that are not given up take ten seconds at least. */
const AT_ONCE = 3_000;

/** Defines the tests. */
export function describeTrouble(part: PlatformUnderTest, bench: Bench): void {
  describeRefusals(part, bench);
  describeThrottling(part, bench);
  describeCredentials(part, bench);
  describeAbort(part, bench);
}

function describeRefusals(part: PlatformUnderTest, bench: Bench): void {
  testOf(
    part.refuse,
    'an operation that the platform refuses is Permanent, in its own words, and nothing is done',
    async ({ begin, words }) => {
      const vm = await bench.vm();
      await begin(vm);
      await bench.with(async ({ platform }) => {
        const refusal = await refusalOf(platform.power(bench.request(vm, 'PoweredOn')));
        expect(refusal.failureClass).toBe('Permanent');
        expect(refusal.message).toMatch(words);
        expect(await bench.record(vm)).toEqual({ operations: 0, effects: [] });
      });
    },
  );

  testOf(
    part.fail,
    'an operation that fails on its way fails the attempt in the words of the platform; the next attempt asks again',
    async ({ begin, words, failureClass, end }) => {
      const vm = await bench.vm();
      await begin(vm);
      await bench.with(async ({ activities }) => {
        const input = bench.input(vm, 'PoweredOn');
        const first = await attempt(activities.powerOn, input);
        expect(first.error?.message).toMatch(words);
        expect(first.error?.type).toBe(failureClass);
        await end(vm);
        const second = await attempt(activities.powerOn, input, 2, first.details);
        expect(second.result).toMatchObject({ acted: true, status: { powerState: 'PoweredOn' } });
        expect((await bench.record(vm)).effects).toEqual(['PoweredOn']);
      });
    },
  );

  testOf(
    part.forbidden,
    'a right that is missing is Permanent, in the words of the platform, and nothing is done',
    async ({ open, words }) => {
      const vm = await bench.vm();
      const process = await bench.process(open);
      try {
        const refusal = await refusalOf(process.platform.power(bench.request(vm, 'PoweredOn')));
        expect(refusal.failureClass).toBe('Permanent');
        expect(refusal.message).toMatch(words);
        expect(await bench.record(vm)).toEqual({ operations: 0, effects: [] });
      } finally {
        await process.close();
        await process.line.close();
      }
    },
  );
}

function describeThrottling(part: PlatformUnderTest, bench: Bench): void {
  testOf(
    part.throttle,
    'throttling is Throttled, with the time that the platform asks for, and at most a bound',
    async ({ begin, end }) => {
      const vm = await bench.vm();
      await bench.with(async (process) => {
        const on = bench.request(vm, 'PoweredOn');
        await begin(process, vm, 3_000);
        expect(await refusalOf(process.platform.power(on))).toMatchObject({
          failureClass: 'Throttled',
          retryAfter: 3_000,
        });
        await begin(process, vm, 30 * 86_400_000);
        const { failureClass, retryAfter } = await refusalOf(process.platform.power(on));
        expect(failureClass).toBe('Throttled');
        expect(retryAfter).toBeGreaterThan(3_000);
        expect(retryAfter).toBeLessThanOrEqual(LONGEST_RETRY_AFTER);
        await end(process, vm);
        await process.platform.power(on);
        await process.untilPower(vm, 'PoweredOn');
        expect(await bench.record(vm)).toEqual({ operations: 1, effects: ['PoweredOn'] });
      });
    },
  );
}

function describeCredentials(part: PlatformUnderTest, bench: Bench): void {
  testOf(
    part.credentials,
    'credentials that expire: each call says so, and the operation continues once they are valid again',
    async ({ open, expire, renew, words }) => {
      const vm = await bench.vm();
      await bench.with(async ({ platform, untilPower }) => {
        await platform.power(bench.request(vm, 'PoweredOn'));
        await untilPower(vm, 'PoweredOn');
        await expire();
        const off = bench.request(vm, 'PoweredOff', { mode: 'Hard' });
        for (const call of [platform.power(off), platform.read(vm)]) {
          const refusal = await refusalOf(call);
          expect(refusal.failureClass).toBe('Transient');
          expect(refusal.message).toMatch(words);
        }
        await renew();
        await platform.power(off);
        await untilPower(vm, 'PoweredOff');
        expect(await bench.record(vm)).toEqual({ operations: 2, effects: ['PoweredOn', 'PoweredOff'] });
      }, open);
    },
  );
}

type Call = (process: Process, signal: AbortSignal) => Promise<unknown>;

/** Calls for a VM; places and releases are of one that has no place yet, where the platform gives any. */
async function callsFor(
  part: PlatformUnderTest,
  bench: Bench,
  vm: VirtualMachineRef,
): Promise<Record<'read' | 'power' | 'place' | 'release', Call>> {
  const [unplaced = { vm, cpus: 1, memory: 1 }] = isLeftOut(part.unplaced)
    ? []
    : await part.unplaced([bench.name()]);
  return {
    read: ({ platform }, signal) => platform.read(vm, signal),
    power: ({ platform }, signal) => platform.power(bench.request(vm, 'PoweredOn'), signal),
    place: ({ platform }, signal) => platform.place([unplaced], { caller: CALLER, sequence: 1 }, signal),
    release: ({ platform }, signal) =>
      platform.release([unplaced.vm], { caller: CALLER, sequence: 2 }, signal),
  };
}

function describeAbort(part: PlatformUnderTest, bench: Bench): void {
  test.each(['read', 'power', 'place', 'release'] as const)(
    '%s ends at once with its signal, though the platform does not answer',
    async (name) => {
      const vm = await bench.vm();
      const calls = await callsFor(part, bench, vm);
      await bench.with(async (process) => {
        process.line.silence();
        const stop = new AbortController();
        const outcome = calls[name](process, stop.signal).then(
          () => 'done',
          () => 'rejected',
        );
        setTimeout(() => stop.abort(), 100);
        const late = sleep(AT_ONCE, 'late', { ref: false });
        expect(await Promise.race([outcome, late])).toBe('rejected');
      });
    },
  );

  test('watch ends at once with its signal, though the platform does not answer', async () => {
    await bench.with(async ({ platform, line }) => {
      line.silence();
      const stop = new AbortController();
      const nothing = (): void => undefined;
      const watching = platform.watch({ changed: nothing, deleted: nothing, synced: nothing }, stop.signal);
      setTimeout(() => stop.abort(), 100);
      const late = sleep(AT_ONCE, 'late', { ref: false });
      expect(await Promise.race([watching, late])).toBeUndefined();
    });
  });

  test('a call whose signal has aborted does nothing', async () => {
    const vm = await bench.vm();
    const calls = await callsFor(part, bench, vm);
    await bench.with(async (process) => {
      for (const call of Object.values(calls)) {
        await expect(call(process, AbortSignal.abort())).rejects.toThrow();
      }
      await process.platform.power(bench.request(vm, 'PoweredOff'));
      await process.platform.power(bench.request(vm, 'PoweredOn'));
      await process.untilPower(vm, 'PoweredOn');
      expect(await bench.record(vm)).toEqual({ operations: 1, effects: ['PoweredOn'] });
    });
  });
}
