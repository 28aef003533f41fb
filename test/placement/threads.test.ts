/** The solver in threads, from source and as built: THREADS-1 to THREADS-3. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { applications } from '../../bench/placement-problems';
import { solveInThread, solvePlacement } from '../../placement';
import { buildWhenStale } from '../cli/vmgroup';
import { hosts, problem, vm } from './problems';

const root = path.join(__dirname, '../..');
const small = problem({ vms: [vm('a'), vm('b')], hosts: hosts(['z/h', 'y/g']) });
const large = applications(1_000, 200, 5);

/** The longest time for which timers stood still while `work` ran, as a share of all the time that it took. */
async function longestGap(work: () => unknown): Promise<number> {
  const began = performance.now();
  let last = began;
  let longest = 0;
  const look = (): void => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(look, 2);
  await work();
  clearInterval(timer);
  look();
  return longest / (last - began);
}

test('a thread answers as the solver does, again and again', async () => {
  for (let time = 0; time < 3; time += 1)
    expect(await solveInThread(small)).toEqual(JSON.parse(JSON.stringify(solvePlacement(small))));
});

test('the event loop keeps running while a large problem is solved, and blocks without a thread', async () => {
  await solveInThread(small);
  expect(await longestGap(() => solvePlacement(large))).toBeGreaterThan(0.9);
  expect(await longestGap(() => solveInThread(large))).toBeLessThan(0.5);
}, 120_000);

test('THREADS-2: a call that is cancelled ends at once, also where it waits for a thread, and the next one is answered', async () => {
  const cancel = new AbortController();
  const calls = [1, 2, 3, 4].map(() =>
    solveInThread({ ...large, steps: 1e9, safetyStop: 60_000 }, cancel.signal),
  );
  const outcomes = Promise.allSettled(calls);
  setTimeout(() => cancel.abort(new Error('cancelled')), 50);
  for (const outcome of await outcomes)
    expect(outcome).toMatchObject({ status: 'rejected', reason: { message: 'cancelled' } });
  expect((await solveInThread(small)).type).toBe('Placed');
}, 30_000);

test('THREADS-1: a third problem waits until one of two is done', async () => {
  // As many threads as there would be without the limit are started first, so that the third is not just slow to start.
  await Promise.all([small, small, small].map((each) => solveInThread(each)));
  const [one, other] = [new AbortController(), new AbortController()];
  const held = Promise.allSettled(
    [one, other].map(({ signal }) => solveInThread({ ...large, steps: 1e9, safetyStop: 60_000 }, signal)),
  );
  const third = solveInThread(small);
  expect(await Promise.race([third, sleep(1_000, 'waits')])).toBe('waits');
  one.abort();
  expect((await third).type).toBe('Placed');
  other.abort();
  await held;
}, 30_000);

test('what the solver refuses is refused, and the thread keeps running', async () => {
  const twice = problem({ vms: [vm('a'), vm('a')], hosts: hosts(['z/h']) });
  await expect(solveInThread(twice)).rejects.toThrow('two VMs have the uid');
  expect((await solveInThread(small)).type).toBe('Placed');
});

test.each([
  ['as built', [], './dist/placement'],
  ['from source', ['--import', 'tsx'], './placement/index.ts'],
])(
  '%s: a process with an idle thread ends by itself',
  (_how, flags, folder) => {
    buildWhenStale();
    const script = `require(${JSON.stringify(folder)}).solveInThread(${JSON.stringify(small)}).then(({ type }) => console.log(type))`;
    const out = execFileSync(process.execPath, [...flags, '-e', script], {
      cwd: root,
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect(out).toBe('Placed\n');
  },
  180_000,
);
