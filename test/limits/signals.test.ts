/**
 * Signals with a time limit, also after garbage collections.
 *
 * Guarantees: G2.
 */
import { once, EventEmitter, getEventListeners } from 'node:events';
import { setImmediate as turn, setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { limited } from '../../limits';
import { until } from '../support/until';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Milliseconds. */
const SOON = 100;
const LATE = 3_600_000;

const LIMIT = { seconds: 10 };

/** Calls `make`, whose signals nothing refers to afterwards but what it left on them, and collects garbage. */
async function collectAfter(make: () => void): Promise<void> {
  make();
  for (let round = 0; round < 3; round += 1) {
    await turn();
    collectGarbage();
  }
}

const never = new AbortController();

const MADE: [what: string, make: () => AbortSignal][] = [
  ['with another signal', () => limited(SOON, never.signal)],
  ['without another signal', () => limited(SOON)],
  ['within a longer limit', () => limited(LATE, limited(SOON, never.signal))],
  ['within a shorter limit', () => limited(SOON, limited(LATE, never.signal))],
  ['whose other signal is a time-out', () => limited(LATE, AbortSignal.timeout(SOON))],
];

describe.each(MADE)('after garbage collections, a limit %s', (_, make) => {
  test('aborts for a listener', async () => {
    let reason: unknown;
    await collectAfter(() => {
      const signal = make();
      signal.addEventListener('abort', () => void (reason = signal.reason), { once: true });
    });
    await until(() => reason !== undefined, 'its end', LIMIT);
    expect(reason).toMatchObject({ name: 'TimeoutError' });
  });

  test('aborts for a promise that waits with it', async () => {
    let error: unknown;
    await collectAfter(() => {
      once(new EventEmitter(), 'never', { signal: make() }).catch((reason: unknown) => (error = reason));
    });
    await until(() => error !== undefined, 'its end', LIMIT);
    expect(error).toMatchObject({ name: 'AbortError', cause: { name: 'TimeoutError' } });
  });

  test('aborts for a holder that reads it', async () => {
    const held: AbortSignal[] = [];
    await collectAfter(() => void held.push(make()));
    await until(() => held.every(({ aborted }) => aborted), 'its end', LIMIT);
    expect(held[0]?.reason).toMatchObject({ name: 'TimeoutError' });
  });
});

test('a limit aborts with its other signal, also with one that has aborted, and leaves no listener on it', async () => {
  const leading = new AbortController();
  const before = limited(LATE, leading.signal);
  leading.abort(new Error('no longer leads'));
  for (const limit of [before, limited(LATE, leading.signal)])
    expect(limit.reason).toEqual(new Error('no longer leads'));
  expect(getEventListeners(leading.signal, 'abort')).toEqual([]);
});

test.each([2 ** 31, 30 * 86_400_000, 2 ** 32, 1e15])(
  'a limit of %d ms is not over at once',
  async (milliseconds) => {
    const signal = limited(milliseconds, never.signal);
    await setTimeout(SOON);
    expect(signal.aborted).toBe(false);
  },
);
