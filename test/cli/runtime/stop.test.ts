/** How a process ends. */
import { pino } from 'pino';
import { closeAll } from '../../../cli/runtime/stop';

test('closers are called in reverse order, and one that hangs or fails does not block the end', async () => {
  const [closed, warned]: [string[], string[]] = [[], []];
  const logger = pino({
    hooks: { logMethod: ([, text]) => void warned.push(String(text)) },
  });
  const close = (name: string) => async (): Promise<void> => void closed.push(name);
  const fails = (): Promise<void> => Promise.reject(new Error('broken'));
  await closeAll([close('a'), fails, close('b')], logger, 10_000);
  expect([closed, warned]).toEqual([['b', 'a'], ['failed to stop cleanly']]);

  const at = Date.now();
  await closeAll([close('c'), () => new Promise(() => undefined), close('d')], logger, 50);
  expect(Date.now() - at).toBeLessThan(5_000);
  expect([closed, warned.at(-1)]).toEqual([['b', 'a', 'd'], 'timed out while stopping']);
});
