/** The watch: what it reports, and that nothing ends it. */
import type { VirtualMachineRef } from '../../../contract';
import type { PowerRequest, WatchSink } from '../../../platforms';
import { attempt } from '../../activities/fixtures';
import { until } from '../../support/until';
import { classOf, refusalOf, testOf, type Bench } from './bench';
import type { PlatformUnderTest, WatchInjury } from './platform-under-test';

/** Defines the tests. */
export function describeWatch(part: PlatformUnderTest, bench: Bench): void {
  describeReports(part, bench);
  for (const [what, injure] of Object.entries(part.watchInjuries)) describeInjury(part, bench, what, injure);
  describeKill(part, bench);
}

/** Notes in short what a watch says of the VMs of one name. */
function noting(vm: VirtualMachineRef, told: string[]): WatchSink {
  const which = ({ uid }: VirtualMachineRef): string => (uid === vm.uid ? 'first' : 'second');
  const note = (ref: VirtualMachineRef, what: string): void => {
    const line = `${which(ref)} ${what}`;
    // A state may be reported more than once: other things change too.
    if (ref.name === vm.name && told.at(-1) !== line) told.push(line);
  };
  return {
    changed: (state) => note(state.vm, state.status.powerState),
    deleted: (ref) => note(ref, 'deleted'),
    synced: () => told.push('synced'),
  };
}

function describeReports(part: PlatformUnderTest, bench: Bench): void {
  test('the watch reports every VM, then each change, a deletion, and another VM of the same name; it ends with its signal', async () => {
    const vm = await bench.vm();
    await bench.with(async ({ platform }) => {
      const told: string[] = [];
      const stop = new AbortController();
      const watching = platform.watch(noting(vm, told), stop.signal);
      await until(() => told.includes('synced'));
      await part.change(vm, 'PoweredOn');
      await until(() => told.includes('first PoweredOn'));
      await bench.recreate(vm);
      await until(() => told.includes('second PoweredOff'));
      stop.abort();
      await watching;
      const [initial, synced, ...rest] = told;
      expect([initial, synced]).toEqual(['first PoweredOff', 'synced']);
      expect(rest.filter((line) => line !== 'first PoweredOff')).toEqual([
        ...['first PoweredOn', 'first deleted', 'second PoweredOff'],
      ]);
    });
  });

  test('PLATFORM-3: a change behind our back shows on the watch, and is not taken for an operation of ours', async () => {
    const vm = await bench.vm();
    await bench.with(async ({ platform, until: untilState, untilPower }) => {
      const on = bench.request(vm, 'PoweredOn');
      await platform.power(on);
      await untilPower(vm, 'PoweredOn');
      await part.change(vm, 'PoweredOff');
      const { status } = await untilState(vm, (state) => state.status.powerState === 'PoweredOff');
      expect(status.ready).not.toBe(true);
      await part.change(vm, 'PoweredOn');
      await untilState(vm, (state) => state.status.powerState === 'PoweredOn');
      expect(await bench.record(vm)).toEqual({
        operations: 1,
        effects: ['PoweredOn', 'PoweredOff', 'PoweredOn'],
      });
    });
  });
}

function describeInjury(part: PlatformUnderTest, bench: Bench, what: string, injure: WatchInjury): void {
  test(`OBSERVER-1, OBSERVER-2, G1: ${what}: the watch is opened again and misses nothing`, async () => {
    const [changed, gone, bystander] = await bench.vms(3);
    if (!changed || !gone || !bystander) throw new Error('too few VMs');
    await bench.with(async (process) => {
      const { observer } = process;
      await until(() => observer.get(gone) !== undefined && observer.live);
      const says = await injure(process, async () => {
        await part.change(changed, 'PoweredOn');
        await part.vanish(gone);
      });
      await process.until(changed, ({ status }) => status.powerState === 'PoweredOn');
      await until(() => observer.live && observer.get(gone) === undefined);
      expect(observer.get(bystander)).toBeDefined();
      if (says) expect(process.broken.map(String).find((error) => says.test(error))).toBeDefined();
      expect(process.broken.map(classOf)).toEqual(process.broken.map(() => 'Transient'));
      // It follows, it did not only list.
      await part.change(changed, 'PoweredOff');
      await process.until(changed, ({ status }) => status.powerState === 'PoweredOff');
    });
  });
}

function describeKill(part: PlatformUnderTest, bench: Bench): void {
  const killed =
    'PLATFORM-1, OBSERVER-1, G1: the part is killed in the middle of operations and started again: each has its effect once, and the watch continues';
  testOf(part.slow, killed, async (slow) => {
    const [bystander, ...vms] = await bench.vms(6);
    const [waited] = vms;
    if (!bystander || !waited) throw new Error('too few VMs');
    await slow(vms);
    await bench.with(async ({ platform, observer, activities, untilPower }) => {
      const requests = vms.map((vm) => bench.request(vm, 'PoweredOn'));
      await Promise.all(requests.map((request) => platform.power(request)));
      await until(() => observer.get(waited)?.operation?.phase === 'InProgress');
      const { operation } = requests[0] as PowerRequest;
      const limits = { operationTimeout: 60_000 };
      const input = { ...bench.input(waited, 'PoweredOn', limits), operation };
      const running = attempt(activities.powerOn, input);
      await part.kill();
      for (const vm of vms) {
        expect(await refusalOf(platform.read(vm))).toMatchObject({ failureClass: 'Transient' });
      }
      await until(() => !observer.live);
      await part.restart();
      await part.vanish(bystander);
      const { result, error } = await running;
      expect(error?.message).toBeUndefined();
      expect(result).toMatchObject({ acted: true, status: { powerState: 'PoweredOn' }, failures: [] });
      await Promise.all(vms.map((vm) => untilPower(vm, 'PoweredOn')));
      for (const request of requests) await platform.power(request);
      await Promise.all(vms.map((vm) => platform.power(bench.request(vm, 'PoweredOff', { mode: 'Hard' }))));
      await Promise.all(vms.map((vm) => untilPower(vm, 'PoweredOff')));
      await until(() => observer.live && observer.get(bystander) === undefined);
    });
    const effects = (await part.records(vms)).map((record) => record.effects);
    expect(effects).toEqual(vms.map(() => ['PoweredOn', 'PoweredOff']));
  });
}
