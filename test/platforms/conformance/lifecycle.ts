/** The end of a platform. */
import { until } from '../../support/until';
import type { Bench } from './bench';

/** Defines the tests. */
export function describeLifecycle(bench: Bench): void {
  test('close ends every connection and every timer', async () => {
    const vm = await bench.vm();
    const before = timers();
    const process = await bench.process();
    await process.observer.synced();
    await process.platform.power(bench.request(vm, 'PoweredOn'));
    await process.untilPower(vm, 'PoweredOn');
    expect(await process.line.connections()).toBeGreaterThan(0);
    await process.close();
    await until(async () => (await process.line.connections()) === 0, 'every connection to be closed');
    await process.line.close();
    await until(() => timers() <= before, 'every timer to be gone', {
      context: () => `${timers()} of ${before}`,
    });
  });
}

/** Timers that keep this process alive. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((what) => what === 'Timeout').length;
}
