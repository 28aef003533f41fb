/**
 * The time of day in a process whose clock is set.
 *
 * Guarantees: G4.
 */
import { SteadyClock } from '../../kubernetes';

const DAY = 86_400_000;

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

test('it is the time of day', () => {
  const clock = new SteadyClock();
  jest.advanceTimersByTime(1_000);
  expect(clock.now()).toBe(Date.now());
  jest.setSystemTime(Date.now() + DAY);
  expect(clock.now()).toBe(Date.now());
});

test('a clock that is set back neither turns it back nor stops it, and catches up with it', () => {
  const clock = new SteadyClock();
  const before = clock.now();
  jest.setSystemTime(Date.now() - DAY);
  jest.advanceTimersByTime(1_000);
  expect(clock.now()).toBe(before + 900);
  jest.advanceTimersByTime(5 * DAY);
  expect(clock.now()).toBe(before + 900 + 4.5 * DAY);
  jest.advanceTimersByTime(5 * DAY);
  expect(clock.now()).toBe(Date.now());
});

test('it begins no earlier than it is told', () => {
  const notBefore = Date.now() + DAY;
  const clock = new SteadyClock(notBefore);
  jest.advanceTimersByTime(1_000);
  expect(clock.now()).toBe(notBefore + 900);
});
