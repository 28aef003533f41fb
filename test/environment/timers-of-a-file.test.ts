/** Fake timers are those of one test file: what other files have left running keeps to the time of the world. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ModernFakeTimers } from '@jest/fake-timers';
import { until } from '../support/until';

type Timers = ModernFakeTimers & { begin: () => void };
const { TimersOfFile } = jest.requireActual<{
  TimersOfFile: new (...args: ConstructorParameters<typeof ModernFakeTimers>) => Timers;
}>('./timers-of-a-file');

const DAY = 24 * 60 * 60 * 1_000;
const LEFT_RUNNING: [string, () => Promise<void>][] = [
  ['setTimeout', () => new Promise((resolve) => setTimeout(resolve, 1))],
  ['setImmediate', () => new Promise((resolve) => setImmediate(resolve))],
  ['node:timers/promises', () => sleep(1)],
];

test.each(LEFT_RUNNING)('a loop with %s of another file', async (_, pause) => {
  let rounds = 0;
  let over = false;
  const loop = (async () => {
    for (; !over; rounds += 1) await pause();
  })();
  const timers = new TimersOfFile({ config: { fakeTimers: {} } as never, global: globalThis });
  timers.begin();
  timers.useFakeTimers({ doNotFake: ['nextTick'] });
  const due: string[] = [];
  try {
    setTimeout(() => due.push('setTimeout'), DAY);
    void sleep(2 * DAY).then(() => due.push('sleep'));
    setInterval(() => due.push('setInterval'), 3 * DAY);
    await timers.advanceTimersByTimeAsync(7 * DAY);
  } finally {
    timers.useRealTimers();
  }
  expect(due).toEqual(['setTimeout', 'sleep', 'setInterval', 'setInterval']);
  const before = rounds;
  await until(() => rounds > before, 'the loop to go on');
  over = true;
  await loop;
});
