/** The guarantees are those of kubernetes/work-queue.ts. */
import { setTimeout as sleep } from 'node:timers/promises';
import { doublingPause, WorkQueue } from '../../kubernetes';
import { until } from '../support/until';

/** A queue whose work waits until it is let go. */
function bench(concurrency: number) {
  const begun: string[] = [];
  const open = new Map<string, () => void>();
  const queue = new WorkQueue({
    concurrency,
    work: (key) => {
      begun.push(key);
      return new Promise((resolve) => open.set(key, resolve));
    },
    onError: (_key, error) => begun.push(String(error)),
  });
  const end = (key: string): void => {
    open.get(key)?.();
    open.delete(key);
  };
  return { queue, begun, end };
}

test('QUEUE-1: a waiting key is processed once, a key in progress one more time', async () => {
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

test('QUEUE-1: a key that is added by its own work is processed one more time, never concurrently', async () => {
  const done: string[] = [];
  let open = 0;
  let most = 0;
  const queue = new WorkQueue({
    concurrency: 10,
    work: async (key) => {
      most = Math.max(most, (open += 1));
      if (done.length === 0) queue.add(key);
      await sleep(20);
      open -= 1;
      done.push(key);
    },
    onError: () => undefined,
  });
  queue.add('a');
  queue.add('a');
  queue.add('a', 10);
  await until(() => done.length >= 2);
  await queue.stop();
  expect(done).toEqual(['a', 'a']);
  expect(most).toBe(1);
});

test('QUEUE-2: no more at once than allowed, and each key by itself', async () => {
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

test('stop drops keys that are due and have no place yet, and waits for the open one', async () => {
  const { queue, begun, end } = bench(1);
  queue.add('a');
  queue.add('b');
  await until(() => begun.length === 1);
  let stopped = false;
  const stop = queue.stop().then(() => (stopped = true));
  await sleep(20);
  expect(stopped).toBe(false);
  end('a');
  await stop;
  expect(begun).toEqual(['a']);
});

test('QUEUE-3: a key that fails is requeued, others continue meanwhile', async () => {
  const errors: [unknown, number][] = [];
  const done: string[] = [];
  const queue = new WorkQueue({
    concurrency: 10,
    work: async (key) => {
      if (key === 'a' && errors.length < 2) throw new Error('away');
      done.push(key);
    },
    onError: (_key, error, retryIn) => errors.push([error, retryIn]),
  });
  queue.add('a');
  queue.add('b');
  await until(() => done.length === 2);
  await queue.stop();
  expect(done).toEqual(['b', 'a']);
  expect(errors).toEqual([
    [new Error('away'), 250],
    [new Error('away'), 500],
  ]);
});

test('QUEUE-3: a pause doubles up to the longest one', () => {
  expect([1, 2, 3, 4, 5, 2_000].map((failures) => doublingPause(failures, 250, 2_000))).toEqual([
    250, 500, 1_000, 2_000, 2_000, 2_000,
  ]);
});

test('flush works on what waits at once, also on a key that is open, and drops what is due later', async () => {
  const done: string[] = [];
  const queue = new WorkQueue({
    concurrency: 2,
    work: async (key) => {
      await sleep(20);
      done.push(key);
      if (key === 'later') queue.add(key, 60_000);
    },
    onError: () => undefined,
  });
  queue.add('open');
  await sleep(10);
  for (const key of ['open', 'later']) queue.add(key, key === 'later' ? 60_000 : 0);
  await queue.flush();
  expect(done.sort()).toEqual(['later', 'open', 'open']);
});
