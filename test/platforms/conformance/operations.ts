/** Operations by id and sequence: PLATFORM-1, PLATFORM-2, PLATFORM-3. */
import { until } from '../../support/until';
import { attempt, attempts } from '../../activities/fixtures';
import { CALLER, declared, refusalOf, testOf, type Bench } from './bench';
import { isLeftOut, type PlatformUnderTest } from './platform-under-test';

/** Defines the tests. */
export function describeOperations(part: PlatformUnderTest, bench: Bench): void {
  describeIdempotence(part, bench);
  describeFencing(part, bench);
  describeForgeries(part, bench);
  describeEffects(part, bench);
}

function describeIdempotence(part: PlatformUnderTest, bench: Bench): void {
  test('PLATFORM-1, G5: an operation id is carried out once, whichever process asks and however often', async () => {
    const vm = await bench.vm();
    await bench.withTwo(async (one, other) => {
      const on = bench.request(vm, 'PoweredOn');
      await Promise.all([one, one, other].map(({ platform }) => platform.power(on)));
      await Promise.all([one, other].map((process) => process.untilPower(vm, 'PoweredOn')));
      await part.change(vm, 'PoweredOff');
      for (const process of [one, other]) {
        await process.until(vm, ({ status }) => status.powerState === 'PoweredOff');
        expect((await process.platform.power(on)).status.powerState).toBe('PoweredOff');
      }
      // What would have been carried out a second time shows before this.
      await one.platform.power(bench.request(vm, 'PoweredOn'));
      await one.untilPower(vm, 'PoweredOn');
      expect(await bench.record(vm)).toEqual({
        operations: 2,
        effects: ['PoweredOn', 'PoweredOff', 'PoweredOn'],
      });
    });
  });

  test('PLATFORM-1: processes that ask for the same operation in the same instant do not dispute it', async () => {
    const vm = await bench.vm();
    await bench.withTwo(async (one, other) => {
      for (const powerState of ['PoweredOn', 'PoweredOff', 'PoweredOn', 'PoweredOff'] as const) {
        const asked = bench.request(vm, powerState, { mode: 'Hard' });
        await Promise.all([one, other].map(({ platform }) => platform.power(asked)));
        for (const process of [one, other]) {
          const { operation } = await process.untilPower(vm, powerState);
          expect(operation?.id).toBe(asked.operation.id);
        }
      }
      expect((await bench.record(vm)).effects).toEqual([
        ...['PoweredOn', 'PoweredOff', 'PoweredOn', 'PoweredOff'],
      ]);
    });
  });

  test('PLATFORM-1: an operation id that was given up for another one of its sequence is not carried out again either', async () => {
    const vm = await bench.vm();
    await bench.withTwo(async (one, other) => {
      const first = bench.request(vm, 'PoweredOn');
      const { id, sequence } = first.operation;
      const second = { ...first, operation: { id: `${id}~2`, sequence } };
      await one.platform.power(first);
      await one.platform.power(second);
      await other.untilPower(vm, 'PoweredOn');
      await part.change(vm, 'PoweredOff');
      for (const process of [one, other]) {
        await process.until(vm, ({ status }) => status.powerState === 'PoweredOff');
        for (const request of [first, second]) await process.platform.power(request);
      }
      await one.platform.power(bench.request(vm, 'PoweredOn'));
      await one.untilPower(vm, 'PoweredOn');
      expect((await bench.record(vm)).effects).toEqual(['PoweredOn', 'PoweredOff', 'PoweredOn']);
    });
  });

  test('PLATFORM-1, G1: the answer of an operation is lost: asked again, nothing is done twice', async () => {
    const vm = await bench.vm();
    await bench.withTwo(async (one, other) => {
      const on = bench.request(vm, 'PoweredOn');
      one.line.loseNextAnswer();
      expect(await refusalOf(one.platform.power(on))).toMatchObject({ failureClass: 'Transient' });
      await other.untilPower(vm, 'PoweredOn');
      for (const { platform } of [one, other]) await platform.power(on);
      await one.platform.power(bench.request(vm, 'PoweredOff', { mode: 'Hard' }));
      await one.untilPower(vm, 'PoweredOff');
      expect(await bench.record(vm)).toEqual({ operations: 2, effects: ['PoweredOn', 'PoweredOff'] });
    });
  });

  test('PLATFORM-1, G1: the connection is lost in the middle of a call: Transient, and asked again it is done once', async () => {
    const vm = await bench.vm();
    await bench.with(async (process) => {
      const on = bench.request(vm, 'PoweredOn');
      process.line.silence();
      const call = refusalOf(process.platform.power(on));
      await until(async () => (await process.line.connections()) > 0);
      process.line.cut();
      expect(await call).toMatchObject({ failureClass: 'Transient' });
      process.line.restore();
      await process.platform.power(on);
      await process.untilPower(vm, 'PoweredOn');
      expect(await bench.record(vm)).toEqual({ operations: 1, effects: ['PoweredOn'] });
    });
  });

  test('PLATFORM-1: what was asked last is on record, with who asked, for processes that start later', async () => {
    const vm = await bench.vm();
    const on = bench.request(vm, 'PoweredOn');
    await bench.with(async ({ platform, untilPower }) => {
      await platform.power(on);
      await untilPower(vm, 'PoweredOn');
    });
    await bench.with(async ({ platform, observer }) => {
      const expected = { ...on.operation, caller: CALLER, phase: 'Done' };
      expect((await platform.read(vm))?.operation).toEqual(expected);
      expect(observer.get(vm)?.operation).toEqual(expected);
    });
  });
}

function describeFencing(part: PlatformUnderTest, bench: Bench): void {
  test('PLATFORM-2: an older operation is refused by every process, which names what outranks it', async () => {
    const vm = await bench.vm();
    await bench.withTwo(async (one, other) => {
      await one.platform.power(bench.request(vm, 'PoweredOn', { sequence: 20 }));
      await one.untilPower(vm, 'PoweredOn');
      for (const { platform } of [one, other]) {
        const older = bench.request(vm, 'PoweredOff', { sequence: 19 });
        const refusal = await refusalOf(platform.power(older));
        expect(refusal).toMatchObject({
          failureClass: 'Superseded',
          recorded: { sequence: 20, caller: CALLER },
        });
        expect(refusal.message).toContain(`${vm.namespace}/${vm.name}`);
      }
      await one.platform.power(bench.request(vm, 'PoweredOff', { sequence: 21, mode: 'Hard' }));
      await one.untilPower(vm, 'PoweredOff');
      expect(await bench.record(vm)).toEqual({ operations: 2, effects: ['PoweredOn', 'PoweredOff'] });
    });
  });

  test('PLATFORM-2: an operation on a VM that is in the state already outranks older ones all the same', async () => {
    const vm = await bench.vm('PoweredOn');
    const before = await bench.record(vm);
    await bench.with(async ({ platform }) => {
      await platform.power(bench.request(vm, 'PoweredOn', { sequence: 20 }));
      const older = bench.request(vm, 'PoweredOff', { sequence: 19 });
      expect(await refusalOf(platform.power(older))).toMatchObject({ failureClass: 'Superseded' });
      expect((await bench.record(vm, before)).effects).toEqual([]);
    });
  });

  const refuses = declared(
    bench.capabilities.fencing === 'CompareAndSet',
    'the platform does not compare itself',
  );
  testOf(
    refuses,
    'PLATFORM-2, G5: two processes in the same instant: the newer operation stands, whichever comes first',
    async () => {
      const vms = await bench.vms(8);
      await bench.withTwo(async (one, other) => {
        await Promise.all(
          vms.map(async (vm, index) => {
            const older = bench.request(vm, 'PoweredOff', { sequence: 1 });
            const newer = bench.request(vm, 'PoweredOn', { sequence: 2 });
            const calls = [() => one.platform.power(older), () => other.platform.power(newer)];
            const started = index % 2 === 0 ? calls : calls.reverse();
            const ended = await Promise.allSettled(started.map((call) => call()));
            expect(ended[index % 2 === 0 ? 1 : 0]?.status).toBe('fulfilled');
            const state = await one.untilPower(vm, 'PoweredOn');
            expect(state.operation).toMatchObject(newer.operation);
          }),
        );
      });
    },
  );

  const turned =
    'PLATFORM-2: an operation is turned round on its way, and the older one that comes late is refused';
  testOf(part.slow, turned, async (slow) => {
    const vm = await bench.vm();
    await slow([vm]);
    await bench.with(async ({ platform, until: untilState }) => {
      const on = bench.request(vm, 'PoweredOn');
      const off = bench.request(vm, 'PoweredOff', { mode: 'Hard' });
      await platform.power(on);
      await platform.power(off);
      const late = { ...on, operation: { ...on.operation, id: `${on.operation.id}~2` } };
      expect(await refusalOf(platform.power(late))).toMatchObject({ failureClass: 'Superseded' });
      const state = await untilState(
        vm,
        ({ operation }) => operation?.id === off.operation.id && operation.phase === 'Done',
      );
      expect(state.status.powerState).toBe('PoweredOff');
      expect((await bench.record(vm)).effects.at(-1) ?? 'PoweredOff').toBe('PoweredOff');
    });
  });
}

function describeForgeries(part: PlatformUnderTest, bench: Bench): void {
  const { forgeries } = part;
  const name = (forgery: string): string =>
    `PLATFORM-2, G3: a record that is ${forgery} does not count, and the next operation heals it`;
  if (isLeftOut(forgeries)) return testOf(forgeries, name('forged or damaged'), () => Promise.resolve());
  for (const [forgery, forge] of Object.entries(forgeries)) {
    test(name(forgery), async () => {
      const vm = await bench.vm();
      await forge(vm);
      await bench.with(async ({ platform, untilPower }) => {
        expect((await platform.read(vm))?.operation?.phase).not.toBe('Done');
        await platform.power(bench.request(vm, 'PoweredOn', { sequence: 20 }));
        await untilPower(vm, 'PoweredOn');
        const older = bench.request(vm, 'PoweredOff', { sequence: 19 });
        expect(await refusalOf(platform.power(older))).toMatchObject({
          recorded: { sequence: 20, caller: CALLER },
        });
        expect(await bench.record(vm)).toEqual({ operations: 1, effects: ['PoweredOn'] });
      });
    });
  }
}

function describeEffects(part: PlatformUnderTest, bench: Bench): void {
  const echoes = 'PLATFORM-3: echoes from before an operation are not taken for its effect';
  testOf(part.slow, echoes, async (slow) => {
    const vm = await bench.vm('PoweredOn');
    await bench.with(async (process) => {
      await process.untilPower(vm, 'PoweredOn');
      process.line.lag(700);
      // Of these the watch will tell while the operation below is on its way.
      for (const powerState of ['PoweredOff', 'PoweredOn', 'PoweredOff'] as const)
        await part.change(vm, powerState);
      await slow([vm]);
      const before = await bench.record(vm);
      const { result } = await attempt(process.activities.powerOn, bench.input(vm, 'PoweredOn'));
      expect(await bench.record(vm, before)).toEqual({ operations: 1, effects: ['PoweredOn'] });
      expect(result).toMatchObject({ acted: true, status: { powerState: 'PoweredOn' } });
    });
  });

  test('POWER-1: a VM that is there already is not operated', async () => {
    const vm = await bench.vm('PoweredOn');
    const before = await bench.record(vm);
    await bench.with(async ({ activities }) => {
      const { result } = await attempt(activities.powerOn, bench.input(vm, 'PoweredOn'));
      expect(result).toMatchObject({ acted: false, status: { powerState: 'PoweredOn' } });
      await attempt(activities.powerOff, bench.input(vm, 'PoweredOff', { mode: 'Hard' }));
      expect(await bench.record(vm, before)).toEqual({ operations: 1, effects: ['PoweredOff'] });
    });
  });

  test('PLATFORM-1: 100 VMs are powered on at once, each by exactly one operation', async () => {
    const vms = await bench.vms(100);
    await bench.with(async ({ activities }) => {
      const ended = await Promise.all(
        vms.map((vm) => attempts(activities.powerOn, bench.input(vm, 'PoweredOn'))),
      );
      expect(ended.map((each) => each.at(-1)?.result?.status.powerState)).toEqual(vms.map(() => 'PoweredOn'));
    });
    expect(await part.records(vms)).toEqual(vms.map(() => ({ operations: 1, effects: ['PoweredOn'] })));
  }, 180_000);
}
