/** Places and their release: PLATFORM-4. */
import { lateCallMessage } from '../../../platforms';
import { CALLER, refusalOf, testOf, type Bench } from './bench';
import type { PlatformUnderTest } from './platform-under-test';

/** Defines the tests. */
export function describePlacement(part: PlatformUnderTest, bench: Bench): void {
  const names = (count: number): string[] => Array.from({ length: count }, () => bench.name());
  const mine = { caller: CALLER, sequence: 1 };
  const release = { caller: CALLER, sequence: 2 };

  testOf(
    part.unplaced,
    'G5: a place is given once and kept, whichever process asks again',
    async (unplaced) => {
      const requests = await unplaced(names(3));
      await bench.withTwo(async (one, other) => {
        const placed = await one.platform.place(requests, mine);
        expect(placed.map(({ vm }) => vm)).toEqual(requests.map(({ vm }) => vm));
        for (const { placement } of placed) expect(placement?.zoneID).toMatch(/./);
        for (const { platform } of [one, other]) {
          const again = await platform.place(requests, { ...mine, sequence: 2 });
          expect(again.map(({ placement }) => placement?.zoneID)).toEqual(
            placed.map(({ placement }) => placement?.zoneID),
          );
        }
      });
    },
  );

  testOf(
    part.unplaced,
    'PLATFORM-4: a promised place is released once its caller says so, and a late call of that caller is refused',
    async (unplaced) => {
      const requests = await unplaced(names(2));
      const vms = requests.map(({ vm }) => vm);
      const [first] = requests;
      if (!first) throw new Error('too few VMs');
      await bench.withTwo(async (one, other) => {
        // Of the second one the call never came, or was lost.
        await one.platform.place([first], mine);
        for (const { platform } of [one, other, one])
          expect(await platform.release(vms, release)).toEqual(vms);
        for (const { platform } of [one, other]) {
          for (const request of requests) {
            expect(await refusalOf(platform.place([request], mine))).toMatchObject({
              failureClass: 'Superseded',
              message: lateCallMessage(CALLER, `${request.vm.namespace}/${request.vm.name}`),
            });
          }
        }
        const [again] = await other.platform.place([first], { ...mine, sequence: 3 });
        expect(again?.placement).toBeDefined();
      });
    },
  );

  testOf(
    part.unplaced,
    'PLATFORM-4: the place of another caller, or of a later call, stays',
    async (unplaced) => {
      const [ours, theirs] = await unplaced(names(2));
      if (!ours || !theirs) throw new Error('too few VMs');
      await bench.with(async ({ platform }) => {
        await platform.place([ours, theirs], mine);
        await platform.place([ours], { ...mine, sequence: 3 });
        await platform.place([theirs], { ...mine, caller: 'vmgroup/prod/blog' });
        const vms = [ours.vm, theirs.vm];
        expect(await platform.release(vms, release)).toEqual([]);
        expect(await platform.release(vms, { ...release, sequence: 4 })).toEqual([ours.vm]);
      });
    },
  );

  test('PLATFORM-4: a VM that exists, or that an operation was asked of, keeps its place', async () => {
    const vm = await bench.vm();
    await bench.with(async ({ platform, untilPower }) => {
      await platform.power(bench.request(vm, 'PoweredOn'));
      await untilPower(vm, 'PoweredOn');
      expect(await platform.release([vm], { caller: CALLER, sequence: 1_000 })).toEqual([]);
      expect(await platform.read(vm)).toMatchObject({ status: { powerState: 'PoweredOn' } });
    });
  });
}
