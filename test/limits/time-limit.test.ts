/**
 * Time limits of calls.
 *
 * Guarantees: G3.
 */
import { getEventListeners, once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { TimeLimit } from '../../limits';

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

/** Answers each call 100 ms after it says that it has it. Its port is its first message. */
const SERVER = `
  const { createServer } = require('node:http');
  const { parentPort } = require('node:worker_threads');
  const server = createServer((_, response) => {
    parentPort.postMessage('asked');
    setTimeout(() => response.end('answer'), 100);
  });
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
`;

let server: Worker | undefined;
afterEach(async () => {
  jest.restoreAllMocks();
  jest.useRealTimers();
  await server?.terminate();
  server = undefined;
});

test('LIMIT-1: an answer that came while the thread was busy is read, however long that took', async () => {
  server = new Worker(SERVER, { eval: true });
  const [port] = (await once(server, 'message')) as [number];
  const limit = new TimeLimit(1_000, undefined);
  const asked = once(server, 'message');
  const answer = fetch(`http://127.0.0.1:${port}`, { signal: limit.signal }).then((response) =>
    response.text(),
  );
  await asked;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3_000);
  expect(await answer).toBe('answer');
  expect(limit.isOver).toBe(false);
  limit.end();
});

test('LIMIT-1: of an hour in which the process was suspended, half a second counts', async () => {
  jest.useFakeTimers();
  const now = performance.now.bind(performance);
  const limit = new TimeLimit(10_000, undefined);
  await jest.advanceTimersByTimeAsync(5_000);
  jest.spyOn(performance, 'now').mockImplementation(() => now() + 3_600_000);
  await jest.advanceTimersByTimeAsync(4_000);
  expect(limit.isOver).toBe(false);
  await jest.advanceTimersByTimeAsync(1_500);
  expect(limit.isOver).toBe(true);
});

test('a limit that is over by its signal is not over by its time', () => {
  const limit = new TimeLimit(60_000, AbortSignal.abort());
  expect([limit.signal.aborted, limit.isOver]).toEqual([true, false]);
  limit.end();
});
