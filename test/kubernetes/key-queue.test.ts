import { setTimeout as sleep } from 'node:timers/promises';
import { keyQueue } from '../../kubernetes/key-queue';
import { until } from '../support/until';

/** A queue whose work waits until it is let go. */
function bench(concurrency: number) {
  const begun: string[] = [];
  const open = new Map<string, () => void>();
  const queue = keyQueue(concurrency, (key) => {
    begun.push(key);
    return new Promise((resolve) => open.set(key, resolve));
  });
  const end = (key: string): void => {
    open.get(key)?.();
    open.delete(key);
  };
  return { queue, begun, end };
}

test('a key that waits is worked on once, one that is worked on once more', async () => {
  const { queue, begun, end } = bench(1);
  for (const key of ['a', 'b', 'b', 'b', 'a', 'a']) queue.add(key);
  await until(() => begun.length === 1);
  queue.add('a');
  end('a');
  await until(() => begun.length === 2);
  end('b');
  await until(() => begun.length === 3);
  end('a');
  await queue.stop();
  expect(begun).toEqual(['a', 'b', 'a']);
});

test('no more at once than allowed, and each key by itself', async () => {
  const { queue, begun, end } = bench(2);
  for (const key of ['a', 'b', 'c']) queue.add(key);
  await until(() => begun.length === 2);
  await sleep(20);
  expect(begun).toEqual(['a', 'b']);
  end('b');
  await until(() => begun.length === 3);
  expect(begun[2]).toBe('c');
  end('a');
  end('c');
  await queue.stop();
});

test('an earlier time stays, a later one does not put it off; what waits at the end is dropped', async () => {
  const { queue, begun, end } = bench(1);
  queue.add('a', 60_000);
  queue.add('a', 5);
  queue.add('a', 60_000);
  await until(() => begun.length === 1);
  end('a');
  queue.add('b', 60_000);
  await queue.stop();
  queue.add('c');
  await sleep(20);
  expect(begun).toEqual(['a']);
});
