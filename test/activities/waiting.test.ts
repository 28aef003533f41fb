/**
 * The wait for a VM beyond what one timer of Node takes.
 *
 * Guarantees: G4.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { waitFor } from '../../activities/waiting';
import type { Observer, Platform, VirtualMachineState } from '../../platforms';

const DAY = 24 * 60 * 60 * 1_000;

test('a wait of 30 days, which no timer of Node takes, ends after 30 days', async () => {
  // The note of every second would take 2.6 million steps.
  jest.useFakeTimers({ doNotFake: ['setInterval', 'clearInterval'] });
  const asked: string[] = [];
  const observer: Pick<Observer, 'until'> = {
    until: (_vm, _arrived, signal) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('over')))),
  };
  const platform: Pick<Platform, 'read'> = {
    read: async ({ name }) => {
      asked.push(name);
      return undefined;
    },
  };
  const { signal } = new AbortController();
  const patience = { limit: 30 * DAY, spent: 0, signal, note: () => undefined };
  const vm = { namespace: 'shop', name: 'db', uid: 'uid-db' };
  const waiting = waitFor(platform as Platform, observer as Observer, vm, patience, () => true);
  await jest.advanceTimersByTimeAsync(29.9 * DAY);
  expect(asked).toEqual([]);
  await jest.advanceTimersByTimeAsync(0.2 * DAY);
  expect(await waiting).toBeUndefined();
  expect(asked).toEqual(['db']);
  jest.useRealTimers();
}, 120_000);

test('what arrives is looked at in the context of the one who waits, not of the one who watches', async () => {
  const contexts = new AsyncLocalStorage<string>();
  let arrive: () => void = () => undefined;
  const state = { vm: { namespace: 'shop', name: 'db' } } as unknown as VirtualMachineState;
  const observer = {
    until: (_vm: unknown, arrived: (state: VirtualMachineState) => boolean) =>
      new Promise((resolve) => (arrive = () => arrived(state) && resolve(state))),
  };
  const seen: (string | undefined)[] = [];
  const { signal } = new AbortController();
  const patience = { limit: DAY, spent: 0, signal, note: () => undefined };
  const waiting = contexts.run('activity', () =>
    waitFor({} as Platform, observer as unknown as Observer, state.vm, patience, () => {
      seen.push(contexts.getStore());
      return true;
    }),
  );
  contexts.run('watch', arrive);
  expect(await waiting).toBe(state);
  expect(seen).toEqual(['activity']);
});
