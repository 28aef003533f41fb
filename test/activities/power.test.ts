/** The power activities on a real simulated platform, one attempt after the other as Temporal would start them. */
import { ActivityCancellationDetails, CancelledFailure } from '@temporalio/common';
import type { PowerState } from '../../api';
import { inventory, placement, power, vm, withFaults } from '../simulator/fixtures';
import { until } from '../support/until';
import { attempt, attempts, bench, copyOf, environmentOf, powerInput, story } from './fixtures';

test('a VM is powered on and confirmed, with one call and one effect', () =>
  bench(inventory(), async ({ activities, platform, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const { result } = await attempt(activities.powerOn, powerInput('db', { gate: 'Ready' }));
    expect(result).toMatchObject({
      acted: true,
      failures: [],
      status: { powerState: 'PoweredOn', ready: true },
    });
    expect(story(await desk.journal(), 'db')).toEqual([
      'run/db Accepted',
      'run/db => PoweredOn',
      'run/db => Ready',
    ]);
  }));

test('the gate PoweredOn does not wait for the guest', () =>
  bench(inventory({ readyTime: 3_600_000 }), async ({ activities, platform }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const { result } = await attempt(activities.powerOn, powerInput('db'));
    expect(result?.status).toMatchObject({ powerState: 'PoweredOn', ready: false });
  }));

test.each<[PowerState, PowerState, PowerState, 'powerOn' | 'powerOff' | 'suspend']>([
  ['PoweredOn', 'PoweredOn', 'PoweredOn', 'powerOn'],
  ['PoweredOff', 'PoweredOff', 'PoweredOff', 'powerOff'],
  ['Suspended', 'Suspended', 'Suspended', 'suspend'],
  ['PoweredOff', 'Suspended', 'PoweredOff', 'suspend'],
])('POWER-1: a VM that is %s and is wanted %s is not asked', (from, powerState, seen, verb) =>
  bench(inventory(), async ({ activities, platform, observer, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    if (from !== 'PoweredOff') await desk.power(vm('db'), 'PoweredOn');
    await desk.power(vm('db'), from);
    await observer.until(vm('db'), ({ status }) => status.powerState === from, new AbortController().signal);
    const { result } = await attempt(activities[verb], powerInput('db', { powerState }));
    expect(result).toMatchObject({ acted: false, status: { powerState: seen } });
    expect((await desk.journal()).filter(({ type }) => type === 'call')).toEqual([]);
  }),
);

test.each(['powerOff', 'suspend'] as const)(
  'POWER-1: %s of a VM that the platform does not have is done',
  (verb) =>
    bench(inventory(), async ({ activities, desk }) => {
      const powerState = verb === 'powerOff' ? 'PoweredOff' : 'Suspended';
      const { result } = await attempt(activities[verb], powerInput('ghost', { powerState }));
      expect(result).toMatchObject({ acted: false, status: { powerState: 'PoweredOff' } });
      expect((await desk.journal()).filter(({ type }) => type === 'call')).toEqual([]);
    }),
);

test('a power-off in the middle of a power-on turns it round: being off at that moment is not enough', () =>
  bench(inventory({ powerOnTime: 300 }), async ({ activities, platform, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    await platform.power(power('db', 'PoweredOn', { id: 'on', sequence: 99 }));
    const { result } = await attempt(activities.powerOff, powerInput('db', { powerState: 'PoweredOff' }));
    expect(result).toMatchObject({ acted: true, status: { powerState: 'PoweredOff' } });
    expect((await platform.read(vm('db')))?.operation).toMatchObject({ id: 'run/db', phase: 'Done' });
    expect(story(await desk.journal(), 'db')).toEqual(['on Accepted', 'run/db AlreadyThere']);
  }));

test('POWER-2: an attempt that takes over continues the operation: no second call, no second effect', () =>
  bench(inventory({ powerOnTime: 500 }), async ({ activities, platform, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const details = await detailsAt(activities.powerOn, 'db', async () =>
      story(await desk.journal(), 'db').includes('run/db Accepted'),
    );
    const { result } = await attempt(activities.powerOn, powerInput('db'), 2, details);
    expect(result).toMatchObject({ acted: true, failures: [{ class: 'WorkerLost' }] });
    expect(story(await desk.journal(), 'db').slice(0, 2)).toEqual(['run/db Accepted', 'run/db => PoweredOn']);
  }));

test('POWER-2: also where the heartbeat of the lost attempt never arrived', () =>
  bench(inventory({ powerOnTime: 500 }), async ({ activities, platform, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    await detailsAt(activities.powerOn, 'db', async () =>
      story(await desk.journal(), 'db').includes('run/db Accepted'),
    );
    const { result } = await attempt(activities.powerOn, powerInput('db'), 2);
    expect(result).toMatchObject({ acted: true, failures: [{ class: 'WorkerLost' }] });
    const effects = story(await desk.journal(), 'db').filter((line) => line.includes('=> PoweredOn'));
    expect(effects).toHaveLength(1);
  }));

test('POWER-2: also where it has done its work by then: the effect is its own', () =>
  bench(inventory({ powerOnTime: 50, readyTime: 60_000 }), async ({ activities, platform, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    await detailsAt(activities.powerOn, 'db', async () =>
      story(await desk.journal(), 'db').includes('run/db => PoweredOn'),
    );
    const { result } = await attempt(activities.powerOn, powerInput('db', { gate: 'PoweredOn' }), 2);
    expect(result).toMatchObject({ acted: true, failures: [{ class: 'WorkerLost' }] });
    expect(story(await desk.journal(), 'db')).toEqual(['run/db Accepted', 'run/db => PoweredOn']);
  }));

test('a stuck operation times out and is asked for under a new id; the failure is on record', () =>
  bench(withFaults({ type: 'Stuck', times: 1 }), async ({ activities, platform, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const [first, second] = await attempts(activities.powerOn, powerInput('db', { operationTimeout: 100 }));
    expect(first?.error).toMatchObject({
      type: 'OperationTimeout',
      nonRetryable: false,
    });
    expect(first?.error?.message).toBe(
      'power on prod/db: attempt 1 of 3: VM prod/db was asked to power on (operation run/db), and it did not happen within 0.1 s',
    );
    expect(second?.result?.failures).toMatchObject([{ attempt: 1, class: 'OperationTimeout' }]);
    expect(story(await desk.journal(), 'db').slice(0, 3)).toEqual([
      'run/db Accepted',
      'run/db~2 Accepted',
      'run/db~2 => PoweredOn',
    ]);
  }));

test('the budget bounds the attempts, with a pause that doubles; every attempt is in the last failure', () =>
  bench(withFaults({ type: 'TransientError' }), async ({ activities, platform }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const all = await attempts(activities.powerOn, powerInput('db'));
    expect(all.map(({ error }) => [error?.type, error?.nonRetryable, error?.nextRetryDelay])).toEqual([
      ['Transient', false, 100],
      ['Transient', false, 200],
      ['Transient', true, undefined],
    ]);
    const failures = all.at(-1)?.error?.details?.[0]?.failures;
    expect(failures?.map(({ attempt: number, class: name }) => [number, name])).toEqual([
      [1, 'Transient'],
      [2, 'Transient'],
      [3, 'Transient'],
    ]);
    expect(failures?.at(-1)).not.toHaveProperty('retryAt');
    expect(all.map(({ error }) => error?.message.match(/attempt \d of \d/)?.[0])).toEqual([
      'attempt 1 of 3',
      'attempt 2 of 3',
      'attempt 3 of 3',
    ]);
  }));

test('failures before the run continued as new count, lost workers do not', () =>
  bench(withFaults({ type: 'TransientError' }), async ({ activities, platform }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const earlier = [
      { attempt: 1, at: 1, class: 'Transient', message: 'x' },
      { attempt: 2, at: 2, class: 'WorkerLost', message: 'x' },
      { attempt: 2, at: 3, class: 'Transient', message: 'x' },
    ];
    const { error } = await attempt(activities.powerOn, powerInput('db', { earlier }));
    expect(error).toMatchObject({ type: 'Transient', nonRetryable: true });
    expect(error?.details?.[0]?.failures).toHaveLength(4);
  }));

test('ATTEMPT-1: lost workers burn no budget, however many', () =>
  bench(withFaults({ type: 'TransientError', times: 2 }), async ({ activities, platform }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const first = await attempt(activities.powerOn, powerInput('db'), 1);
    const later = await attempt(activities.powerOn, powerInput('db'), 9, first.details);
    expect(later.error?.nonRetryable).toBe(false);
    expect(later.error?.message).toContain('attempt 2 of 3');
    const last = await attempt(activities.powerOn, powerInput('db'), 10, later.details);
    expect(last.result?.failures.map((failure) => failure.class)).toEqual([
      'Transient',
      ...Array.from({ length: 7 }, () => 'WorkerLost'),
      'Transient',
    ]);
  }));

test.each<[string, unknown]>([
  ['text', 'hello'],
  ['a list', []],
  ['an empty object', {}],
  ['failures that are none', { attempt: 1, failures: 'none', spent: 0, progress: { round: 1 } }],
  ['a failure without a class', { attempt: 1, failures: [{}], spent: 0, progress: { round: 1 } }],
  ['too many failures', { attempt: 1, failures: Array(10_000).fill({}), spent: 0, progress: { round: 1 } }],
  ['a budget that is no number', { attempt: 1, failures: [], spent: null, progress: { round: 1 } }],
  ['progress of another activity', { attempt: 1, failures: [], spent: 0, progress: {} }],
])('ATTEMPT-5: a heartbeat that holds %s counts as none', (_, details) =>
  bench(inventory(), async ({ activities, platform, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const { result } = await attempt(activities.powerOn, powerInput('db'), 2, details);
    expect(result).toMatchObject({ acted: true, failures: [{ class: 'WorkerLost', attempt: 1 }] });
    // The guest may be ready by now.
    const calls = story(await desk.journal(), 'db').filter((line) => line !== 'run/db => Ready');
    expect(calls).toEqual(['run/db Accepted', 'run/db => PoweredOn']);
  }),
);

test.each(['kept', 'cleared'])(
  'ATTEMPT-2: a reset gives a fresh budget and a fresh operation, heartbeat details %s',
  (details) =>
    bench(withFaults({ type: 'Stuck', times: 2 }), async ({ activities, platform, desk }) => {
      await platform.place([placement('db')], { caller: 'test' });
      const input = powerInput('db', { operationTimeout: 80 });
      const first = await attempt(activities.powerOn, input, 1);
      const second = await attempt(activities.powerOn, input, 2, first.details);
      expect(second.error?.message).toContain('attempt 2 of 3');
      let again = await attempt(
        activities.powerOn,
        input,
        1,
        details === 'kept' ? second.details : undefined,
      );
      // Without details it has to find out that the last operation is stuck too.
      if (again.error) again = await attempt(activities.powerOn, input, 2, again.details);
      expect(again.result?.status.powerState).toBe('PoweredOn');
      expect(story(await desk.journal(), 'db').slice(0, 4)).toEqual([
        'run/db Accepted',
        'run/db~2 Accepted',
        'run/db~3 Accepted',
        'run/db~3 => PoweredOn',
      ]);
    }),
);

test('ATTEMPT-2, ATTEMPT-4: a reset ends the running attempt at once; the next one asks again with a fresh budget', () =>
  bench(withFaults({ type: 'Stuck', times: 1 }), async ({ activities, platform, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const first = await attempt(activities.powerOn, powerInput('db'), 1, undefined, (environment) => {
      void until(async () => story(await desk.journal(), 'db').length === 1).then(() =>
        environment.cancel('RESET', new ActivityCancellationDetails({ reset: true })),
      );
    });
    expect(first.error).toBeInstanceOf(CancelledFailure);
    const second = await attempt(activities.powerOn, powerInput('db'), 2, first.details);
    expect(second.result).toMatchObject({ acted: true, failures: [{ class: 'Reset', attempt: 0 }] });
    expect(story(await desk.journal(), 'db').slice(0, 2)).toEqual(['run/db Accepted', 'run/db~2 Accepted']);
  }));

test.each(['CANCELLED', 'WORKER_SHUTDOWN', 'PAUSED'] as const)(
  'ATTEMPT-4: %s is not a failed attempt',
  (reason) =>
    bench(inventory({ powerOnTime: 400 }), async ({ activities, platform, desk }) => {
      await platform.place([placement('db')], { caller: 'test' });
      const first = await attempt(activities.powerOn, powerInput('db'), 1, undefined, (environment) => {
        void until(async () => story(await desk.journal(), 'db').length === 1).then(() =>
          environment.cancel(
            reason,
            new ActivityCancellationDetails({ cancelRequested: reason === 'CANCELLED' }),
          ),
        );
      });
      expect(first.error).toBeInstanceOf(CancelledFailure);
      const second = await attempt(activities.powerOn, powerInput('db'), 2, first.details);
      expect(second.result).toMatchObject({ acted: true, failures: [] });
      expect(story(await desk.journal(), 'db').filter((line) => line.endsWith('Accepted'))).toHaveLength(1);
    }),
);

test('throttled: the next attempt starts when the platform said', () =>
  bench(withFaults({ type: 'Throttled', retryAfter: 4_321 }), async ({ activities, platform }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const { error } = await attempt(activities.powerOn, powerInput('db'));
    expect(error).toMatchObject({ type: 'Throttled', nonRetryable: false });
    const [failure] = error?.details?.[0]?.failures ?? [];
    expect(failure?.retryAt).toBeGreaterThan(Date.now() + 2_000);
    expect(failure?.retryAt).toBeLessThanOrEqual(Date.now() + 4_321);
  }));

test('a lost reply: the next attempt finds what is under way, and it happens once', () =>
  bench(withFaults({ type: 'LostReply' }), async ({ activities, platform, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const all = await attempts(activities.powerOn, powerInput('db', { gate: 'Ready' }));
    expect(all.map(({ error }) => error?.type)).toEqual(['Transient', undefined]);
    expect(all.at(-1)?.result?.acted).toBe(true);
    // Asking again under the same id is harmless; whether it happens depends on how fast the watch is.
    const happened = story(await desk.journal(), 'db').filter((line) => line !== 'run/db Duplicate');
    expect(happened).toEqual(['run/db Accepted', 'run/db => PoweredOn', 'run/db => Ready']);
  }));

test.each([
  ['a permanent error', withFaults({ type: 'PermanentError' as const }), 'Permanent', {}],
  [
    'a gate that is never reached',
    inventory({ readyTime: 3_600_000 }),
    'GateTimeout',
    { gate: 'Ready' as const, gateTimeout: 50 },
  ],
])('%s parks at once', (_name, inventoryOf, type, over) =>
  bench(inventoryOf, async ({ activities, platform }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const { error } = await attempt(activities.powerOn, powerInput('db', over));
    expect(error).toMatchObject({ type, nonRetryable: true });
  }),
);

test('a gate on a condition that nothing reports says so', () =>
  bench(inventory(), async ({ activities, platform }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const gate = { gate: 'Condition/Booted', gateTimeout: 50 } as const;
    const { error } = await attempt(activities.powerOn, powerInput('db', gate));
    expect(error).toMatchObject({
      type: 'GateTimeout',
      message: expect.stringContaining(
        'VM prod/db is powered on and its condition Booted did not become True within 0.1 s; nothing reports its conditions',
      ) as string,
    });
  }));

test('a VM that was never placed parks with what to do', () =>
  bench(inventory(), async ({ activities }) => {
    const { error } = await attempt(activities.powerOn, powerInput('ghost'));
    expect(error).toMatchObject({ type: 'Permanent', nonRetryable: true });
    expect(error?.message).toMatch(/prod\/ghost .*was never placed on the platform; place it first/);
  }));

test('an operation that fails on the platform brings its class; the next attempt asks under a new id', () =>
  bench(withFaults({ type: 'Stuck', times: 1 }), async ({ activities, platform, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    void until(async () => story(await desk.journal(), 'db').length === 1).then(() =>
      desk.fail(vm('db'), 'Transient', 'the host is rebooting'),
    );
    const all = await attempts(activities.powerOn, powerInput('db'));
    expect(all[0]?.error?.message).toContain('the host is rebooting');
    expect(all.at(-1)?.result?.status.powerState).toBe('PoweredOn');
    expect(story(await desk.journal(), 'db').slice(0, 2)).toEqual(['run/db Accepted', 'run/db~2 Accepted']);
  }));

test('POWER-4: a newer operation takes over, before and in the middle of the wait', () =>
  bench(withFaults({ type: 'Stuck', times: 1 }), async ({ activities, platform, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    void until(async () => story(await desk.journal(), 'db').length === 1).then(() =>
      platform.power(power('db', 'PoweredOff', { id: 'newer', sequence: 101 })),
    );
    const { error } = await attempt(activities.powerOn, powerInput('db'));
    expect(error).toMatchObject({ type: 'Superseded', nonRetryable: true });
    const late = await attempt(activities.powerOn, powerInput('db'));
    expect(late.error).toMatchObject({ type: 'Superseded', nonRetryable: true });
    expect(story(await desk.journal(), 'db')).toEqual(['run/db Accepted', 'newer AlreadyThere']);
  }));

test('POWER-4: a fence is asked for also where the VM is there already, and then an older operation is refused', () =>
  bench(inventory(), async ({ activities, platform, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const off = powerInput('db', {
      powerState: 'PoweredOff',
      fence: true,
      operation: { id: 'off', sequence: 20 },
    });
    const { result } = await attempt(activities.powerOff, off);
    expect(result?.status.powerState).toBe('PoweredOff');
    const late = powerInput('db', { operation: { id: 'on', sequence: 10 } });
    expect((await attempt(activities.powerOn, late)).error?.type).toBe('Superseded');
    expect(story(await desk.journal(), 'db')).toEqual(['off AlreadyThere', 'on Refused']);
  }));

test('POWER-4: a fence for a VM that the platform does not have is done', () =>
  bench(inventory(), async ({ activities }) => {
    const { result } = await attempt(
      activities.powerOff,
      powerInput('ghost', { powerState: 'PoweredOff', fence: true }),
    );
    expect(result?.status.powerState).toBe('PoweredOff');
  }));

test('a VM that is deleted meanwhile is a permanent failure', () =>
  bench(withFaults({ type: 'Stuck' }), async ({ activities, platform, observer, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    void until(() => observer.get(vm('db'))?.operation !== undefined).then(() => desk.delete(vm('db')));
    const { error } = await attempt(activities.powerOn, powerInput('db'));
    expect(error).toMatchObject({ type: 'Permanent', nonRetryable: true });
    expect(error?.message).toContain(
      'VM prod/db was deleted on the platform while an operation waited for it',
    );
  }));

test.each(['PoweredOn', 'PoweredOff'] as const)(
  'POWER-5: %s: a VM that is replaced meanwhile is a failure of this attempt alone',
  (powerState) =>
    bench(
      withFaults({ type: 'Stuck', operation: powerState }),
      async ({ activities, platform, observer, desk }) => {
        await platform.place([placement('db')], { caller: 'test' });
        if (powerState === 'PoweredOff') await attempt(activities.powerOn, powerInput('db'));
        let replaced: Promise<unknown> | undefined;
        const read = platform.read.bind(platform);
        jest.spyOn(platform, 'read').mockImplementation(async (...asked) => {
          await replaced;
          return read(...asked);
        });
        void until(() => observer.get(vm('db'))?.operation?.phase === 'InProgress').then(() => {
          replaced = desk.delete(vm('db')).then(() => platform.place([placement('db')], { caller: 'test' }));
        });
        const run = powerState === 'PoweredOn' ? activities.powerOn : activities.powerOff;
        const operation = { id: 'change', sequence: 1_000 };
        const { error } = await attempt(run, powerInput('db', { powerState, operation }));
        expect(error).toMatchObject({ type: 'Transient', nonRetryable: false });
        expect(error?.message).toContain('VM prod/db was replaced on the platform');
      },
    ),
);

test.each(['PoweredOff', 'Suspended'] as const)(
  'POWER-5: %s: a VM that is deleted meanwhile is off',
  (powerState) =>
    bench(
      withFaults({ type: 'Stuck', operation: powerState }),
      async ({ activities, platform, observer, desk }) => {
        await platform.place([placement('db')], { caller: 'test' });
        await attempt(activities.powerOn, powerInput('db'));
        void until(() => observer.get(vm('db'))?.operation?.phase === 'InProgress').then(() =>
          desk.delete(vm('db')),
        );
        const run = powerState === 'PoweredOff' ? activities.powerOff : activities.suspend;
        const operation = { id: 'stop', sequence: 1_000 };
        const { result, error } = await attempt(run, powerInput('db', { powerState, operation }));
        expect(error).toBeUndefined();
        expect(result?.status.powerState).toBe('PoweredOff');
      },
    ),
);

test('a VM that leaves its state before it is ready is brought back', () =>
  bench(inventory({ readyTime: 200 }), async ({ activities, platform, observer, desk }) => {
    await platform.place([placement('db')], { caller: 'test' });
    void until(() => observer.get(vm('db'))?.status.powerState === 'PoweredOn').then(() =>
      desk.power(vm('db'), 'PoweredOff'),
    );
    const all = await attempts(activities.powerOn, powerInput('db', { gate: 'Ready' }));
    expect(all.map(({ error }) => error?.type)).toEqual(['Transient', undefined]);
    expect(all.at(-1)?.result?.status.ready).toBe(true);
  }));

test('a guest that ignores shutdown is forced after its time, and a soft one is not', () =>
  bench(withFaults({ type: 'GuestIgnoresShutdown' }), async ({ activities, platform, desk }) => {
    await platform.place([placement('db'), placement('web')], { caller: 'test' });
    await desk.power(vm('db'), 'PoweredOn');
    await desk.power(vm('web'), 'PoweredOn');
    const off = { powerState: 'PoweredOff' as const, guestShutdownTimeout: 100, operationTimeout: 200 };
    const forced = await attempt(
      activities.powerOff,
      powerInput('db', { ...off, operationTimeout: 5_000, mode: 'TrySoft' }),
    );
    expect(forced.result?.status.powerState).toBe('PoweredOff');
    const asked = await attempt(activities.powerOff, powerInput('web', { ...off, mode: 'Soft' }));
    expect(asked.error?.type).toBe('OperationTimeout');
    expect(asked.error?.message).toContain('did not happen within 0.3 s');
  }));

test('placement: all or none, sticky; a lack of room and a platform that is away are retried without end', () =>
  bench(
    inventory({}, [{ name: 'host-1', zone: 'zone-a', pool: 'pool-a', cpus: 4, memory: 2 ** 40 }]),
    async ({ activities, desk, simulator }) => {
      const retry = { maximumAttempts: 1, initialInterval: 10, maximumInterval: 20 };
      const place = (names: string[]): Promise<unknown> =>
        environmentOf()
          .run(activities.place, { requests: names.map((name) => placement(name)), retry, caller: 'test' })
          .catch((error: unknown) => error);
      expect(await place(['a', 'b', 'c'])).toMatchObject({ type: 'NoCapacity', nonRetryable: false });
      expect((await desk.journal()).filter(({ type }) => type === 'place')).toMatchObject([
        { answer: 'Refused' },
      ]);
      const first = await place(['a', 'b']);
      expect(first).toMatchObject({
        results: [{ vm: vm('a'), placement: { node: 'host-1' } }, { vm: vm('b') }],
      });
      expect(await place(['a', 'b'])).toEqual(first);
      expect(await place(['a', 'a'])).toMatchObject({ type: 'Permanent', nonRetryable: true });
      await simulator.close();
      const away = {
        type: 'Transient',
        nonRetryable: false,
        message: expect.stringContaining('ECONNREFUSED') as unknown,
      };
      expect(await place(['d'])).toMatchObject(away);
    },
  ));

/** The heartbeat details of an attempt whose worker dies once `when` holds. */
async function detailsAt(
  activity: Parameters<typeof attempt>[0],
  name: string,
  when: () => Promise<boolean>,
): Promise<unknown> {
  let details: unknown;
  await new Promise<void>((resolve) => {
    void attempt(activity, powerInput(name), 1, undefined, (environment) => {
      environment.on('heartbeat', (beat: unknown) => (details = copyOf(beat)));
      void until(when).then(() => {
        // Its last words never arrive.
        const last = details;
        environment.removeAllListeners('heartbeat');
        environment.cancel('WORKER_SHUTDOWN', new ActivityCancellationDetails({ workerShutdown: true }));
        details = last;
        resolve();
      });
    });
  });
  return details;
}
