/**
 * Calls that wait for their turn, on fake clocks.
 *
 * Guarantees: G3.
 */
import { EventEmitter, once } from 'node:events';
import { CallTurns, SilentServerError } from '../../platforms/call-turns';

const LIMIT = 10_000;

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** What became of calls, in order. */
interface Seen {
  begun: number[];
  ended: (string | number)[];
}

/** Asks for `count` calls; `call` makes the nth. */
function ask(
  turns: CallTurns,
  count: number,
  call: (n: number, signal: AbortSignal) => Promise<number>,
): Seen {
  const seen: Seen = { begun: [], ended: [] };
  for (let n = 0; n < count; n += 1) {
    const made = (signal: AbortSignal): Promise<number> => {
      seen.begun.push(n);
      return call(n, signal);
    };
    turns.take(made, { limit: LIMIT }).then(
      (answer) => (seen.ended[n] = answer),
      (error: Error) => (seen.ended[n] = error.name),
    );
  }
  return seen;
}

async function after<T>(milliseconds: number, outcome: () => T): Promise<T> {
  await new Promise((over) => setTimeout(over, milliseconds));
  return outcome();
}
const fails = (): never => {
  throw new Error('refused');
};
/** A call that the server does not answer. */
const silence = (_: number, signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

test('TURN-1: a slow server answers all calls, in order and a few at a time', async () => {
  const seen = ask(new CallTurns(2), 6, (n) => after(0.9 * LIMIT, () => n));
  await jest.advanceTimersByTimeAsync(0.9 * LIMIT);
  expect(seen).toEqual({ begun: [0, 1, 2, 3], ended: [0, 1] });
  await jest.advanceTimersByTimeAsync(2 * LIMIT);
  expect(seen.ended).toEqual([0, 1, 2, 3, 4, 5]);
});

test('TURN-1: a call whose signal aborts before its turn ends at once and is not made', async () => {
  const turns = new CallTurns(1);
  const first = ask(turns, 1, (n) => after(LIMIT / 2, () => n));
  const controller = new AbortController();
  const call = jest.fn(() => Promise.resolve(1));
  const waiting = turns.take(call, { limit: LIMIT, signal: controller.signal });
  controller.abort(new Error('the attempt was cancelled'));
  await expect(waiting).rejects.toThrow('the attempt was cancelled');
  const late = turns.take(call, { limit: LIMIT, signal: controller.signal });
  await expect(late).rejects.toThrow('the attempt was cancelled');
  await jest.advanceTimersByTimeAsync(LIMIT);
  expect(first.ended).toEqual([0]);
  expect(call).not.toHaveBeenCalled();
});

test('TURN-1: a call in progress is left to its own signal', async () => {
  const controller = new AbortController();
  const made = new CallTurns(1).take(() => after(1, () => 'done'), {
    limit: LIMIT,
    signal: controller.signal,
  });
  controller.abort();
  await jest.advanceTimersByTimeAsync(1);
  expect(await made).toBe('done');
});

test('TURN-2: a silent server keeps no call waiting for long', async () => {
  const turns = new CallTurns(2);
  const seen = ask(turns, 100, silence);
  await jest.advanceTimersByTimeAsync(0.6 * LIMIT);
  const late = ask(turns, 1, silence);
  await jest.advanceTimersByTimeAsync(0.4 * LIMIT);
  expect(seen.begun).toEqual([0, 1]);
  expect(seen.ended).toEqual(['Error', 'Error', ...Array.from({ length: 98 }, () => 'SilentServerError')]);
  // It has not waited for half that time, and has its turn now.
  expect(late).toEqual({ begun: [0], ended: [] });
});

test('TURN-2: one call without an answer is no sign where others have one, if only a refusal', async () => {
  const seen = ask(new CallTurns(2), 8, (n, signal) =>
    n === 0 ? silence(n, signal) : after(LIMIT / 4, fails),
  );
  await jest.advanceTimersByTimeAsync(3 * LIMIT);
  expect(seen.begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  expect(seen.ended).toEqual(Array.from({ length: 8 }, () => 'Error'));
});

test('TURN-2: calls that their callers abort are no sign, neither of silence nor of an answer', async () => {
  const turns = new CallTurns(1);
  const controller = new AbortController();
  const aborted = turns.take((signal) => once(new EventEmitter(), 'answer', { signal }), {
    limit: 2 * LIMIT,
    signal: controller.signal,
  });
  const seen = ask(turns, 3, silence);
  await jest.advanceTimersByTimeAsync(0.9 * LIMIT);
  controller.abort(new Error('the attempt was cancelled'));
  await expect(aborted).rejects.toMatchObject({ cause: new Error('the attempt was cancelled') });
  expect(seen).toEqual({ begun: [0], ended: [] });
  await jest.advanceTimersByTimeAsync(LIMIT);
  expect(seen.ended).toEqual(['Error', 'SilentServerError', 'SilentServerError']);
});

test('TURN-2: the server answers again: calls have their turns as before', async () => {
  const turns = new CallTurns(1);
  let isSilent = true;
  const call = (n: number, signal: AbortSignal): Promise<number> =>
    isSilent ? silence(n, signal) : after(10, () => n);
  const before = ask(turns, 3, call);
  await jest.advanceTimersByTimeAsync(LIMIT);
  expect(before.ended).toEqual(['Error', 'SilentServerError', 'SilentServerError']);
  isSilent = false;
  const seen = ask(turns, 3, call);
  await jest.advanceTimersByTimeAsync(30);
  expect(seen.ended).toEqual([0, 1, 2]);
});

test('TURN-2: the error says how long the call waited', () => {
  expect(new SilentServerError(10_020).message).toBe(
    'not sent: waited 10 s for its turn while the server answered no call',
  );
});
