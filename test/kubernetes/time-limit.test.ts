/** Time limits of calls. */
import { getEventListeners } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { TimeLimit } from '../../kubernetes/time-limit';

test('many calls at once under one signal leave nothing behind, and Node warns of no leak', async () => {
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  process.on('warning', warned);
  const leading = new AbortController();
  const limits = Array.from({ length: 20 }, () => new TimeLimit(60_000, leading.signal));
  expect(getEventListeners(leading.signal, 'abort')).toHaveLength(20);
  await turn();
  for (const limit of limits) limit.end();
  process.removeListener('warning', warned);
  expect(getEventListeners(leading.signal, 'abort')).toEqual([]);
  expect(warnings).toEqual([]);
});

test('a limit ends with the signal that it has, also with one that has ended', () => {
  const leading = new AbortController();
  const before = new TimeLimit(60_000, leading.signal);
  leading.abort(new Error('no longer leads'));
  const after = new TimeLimit(60_000, leading.signal);
  for (const limit of [before, after]) {
    expect(limit.signal.reason).toEqual(new Error('no longer leads'));
    limit.end();
  }
});

test('a limit that is over says after how long', async () => {
  const limit = new TimeLimit(10, undefined);
  await new Promise((resolve) => limit.signal.addEventListener('abort', resolve, { once: true }));
  expect(limit.signal.reason).toEqual(new Error('no answer for 0.01 s'));
  limit.end();
});
