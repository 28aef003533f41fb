/**
 * Gates of the power activities on the simulated platform, and on one whose watch lags behind: GATE-1, GATE-2, GATE-3.
 *
 * Guarantees: G1.
 */
import { createServer, type AddressInfo } from 'node:net';
import type { Probe } from '../../api';
import { createActivities } from '../../activities';
import type { PowerInput } from '../../contract';
import { Observer, type Platform, type VirtualMachineState, type WatchSink } from '../../platforms';
import { inventory, placement, vm } from '../simulator/fixtures';
import { until } from '../support/until';
import { attempt, bench, powerInput, story, type Bench } from './fixtures';

/** A guest's service on loopback that can be started and stopped. */
async function service(): Promise<{ port: number; start: () => Promise<void>; stop: () => void }> {
  const listen = (port: number): Promise<number> =>
    new Promise((resolve) => {
      server = createServer((socket) => void socket.on('error', () => undefined));
      server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });
  let server = createServer();
  const stop = (): void => void server.close();
  const port = await listen(0);
  stop();
  return { port, start: async () => void (await listen(port)), stop };
}

function probe(port: number, more: Partial<Probe> = {}): Probe {
  return { tcpSocket: { port }, period: 100, timeout: 500, successThreshold: 1, ...more };
}

function input(port: number, over: Partial<PowerInput> = {}): PowerInput {
  return powerInput('db', { gate: 'Probe', probe: probe(port), ...over });
}

function withGuest(use: (parts: Bench) => Promise<void>): Promise<void> {
  return bench({ ...inventory(), guests: [{ vm: 'db', address: '127.0.0.1' }] }, async (parts) => {
    await parts.platform.place([placement('db')], { caller: 'test' });
    await use(parts);
  });
}

test('a VM that is on is through its gate once its port opens, and the result says what the guest answered', () =>
  withGuest(async ({ activities, observer, desk }) => {
    const { port, start, stop } = await service();
    const beats: { waitsFor?: string }[] = [];
    const ended = attempt(activities.powerOn, input(port), 1, undefined, (environment) => {
      environment.on('heartbeat', (beat: { waitsFor?: string }) => beats.push(beat));
    });
    await until(() => observer.get(vm('db'))?.status.powerState === 'PoweredOn');
    await until(() => beats.some(({ waitsFor }) => waitsFor === `tcp 127.0.0.1:${port}: connection refused`));
    await start();
    const { result, error } = await ended;
    stop();
    expect(error).toBeUndefined();
    expect(result).toMatchObject({
      acted: true,
      status: { powerState: 'PoweredOn' },
      probed: `tcp 127.0.0.1:${port}: connected`,
    });
    expect(result?.status).not.toHaveProperty('address');
    expect(story(await desk.journal(), 'db')).toEqual(
      expect.arrayContaining(['run/db Accepted', 'run/db => PoweredOn']),
    );
  }));

test('GATE-2: a VM that was on before is probed too, and not operated', () =>
  withGuest(async ({ activities, desk, observer }) => {
    const { port } = await service();
    await desk.power(vm('db'), 'PoweredOn');
    await until(() => observer.get(vm('db'))?.status.powerState === 'PoweredOn');
    const { error } = await attempt(activities.powerOn, input(port, { gateTimeout: 300 }));
    expect(error).toMatchObject({
      type: 'GateTimeout',
      nonRetryable: true,
      message: `power on prod/db: attempt 1 of 3: VM prod/db is powered on and its probe did not succeed within 0.3 s; last answer: tcp 127.0.0.1:${port}: connection refused`,
    });
    expect(story(await desk.journal(), 'db').filter((line) => line.startsWith('run/'))).toEqual([]);
  }));

test('a guest without a known address says so', () =>
  bench(inventory(), async ({ activities, platform }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const { error } = await attempt(activities.powerOn, input(1, { gateTimeout: 300 }));
    expect(error?.message).toMatch(/last answer: the platform does not report the guest's address$/);
  }));

test('failureThreshold parks before the time is over', () =>
  withGuest(async ({ activities }) => {
    const { port } = await service();
    const began = performance.now();
    const { error } = await attempt(
      activities.powerOn,
      input(port, { probe: probe(port, { failureThreshold: 3 }), gateTimeout: 60_000 }),
    );
    expect(error).toMatchObject({ type: 'GateTimeout', nonRetryable: true });
    expect(error?.message).toMatch(
      /its probe failed 3 times in a row; last answer: tcp .*connection refused$/,
    );
    expect(performance.now() - began).toBeLessThan(30_000);
  }));

test('GATE-1: the next attempt after a lost worker has only the time that is left', () =>
  withGuest(async ({ activities }) => {
    const { port } = await service();
    const gateTimeout = 600_000;
    const lost = attempt(activities.powerOn, input(port, { gateTimeout }), 1, undefined, (environment) => {
      environment.on('heartbeat', (beat: { progress: { waited?: { gate?: number } } }) => {
        if ((beat.progress.waited?.gate ?? 0) > 0) environment.cancel();
      });
    });
    const { details } = await lost;
    const memory = details as { ended?: string; progress: { waited: { gate: number } } };
    expect(memory.progress.waited.gate).toBeGreaterThan(0);
    // As if that worker had waited nearly all of the time, and was killed.
    delete memory.ended;
    memory.progress.waited.gate = gateTimeout - 100;
    const began = performance.now();
    const { error } = await attempt(activities.powerOn, input(port, { gateTimeout }), 2, memory);
    expect(error).toMatchObject({ type: 'GateTimeout' });
    expect(performance.now() - began).toBeLessThan(60_000);
  }));

test('a VM that goes off while it is probed fails the attempt, which is retried', () =>
  withGuest(async ({ activities, observer, desk }) => {
    const { port } = await service();
    const ended = attempt(activities.powerOn, input(port));
    await until(() => observer.get(vm('db'))?.status.powerState === 'PoweredOn');
    await until(() => observer.get(vm('db'))?.operation?.phase === 'Done');
    await desk.power(vm('db'), 'PoweredOff');
    const { error } = await ended;
    expect(error).toMatchObject({ type: 'Transient', nonRetryable: false });
    expect(error?.message).toMatch(/went back to PoweredOff before it became ready$/);
  }));

test('the platform is asked what the guest reports about itself', () =>
  bench(
    { ...inventory(), guests: [{ vm: 'db', info: { role: 'primary' } }] },
    async ({ activities, platform }) => {
      await platform.place([placement('db'), placement('web')], { caller: 'test' });
      const guestInfo = [{ key: 'role', value: '^prim' }];
      const asked: Partial<PowerInput> = {
        gate: 'Probe',
        probe: { guestInfo, period: 100, timeout: 500, successThreshold: 1 },
      };
      const db = await attempt(activities.powerOn, powerInput('db', asked));
      expect(db.result?.probed).toBe('guest info: as expected');
      const web = await attempt(activities.powerOn, powerInput('web', { ...asked, gateTimeout: 300 }));
      expect(web.error?.message).toContain('last answer: guest info role: not set');
    },
  ));

/** A platform whose watch reports `seen`, while reads and calls already get `now`. */
async function lagging(
  seen: VirtualMachineState,
  now: VirtualMachineState,
  use: (parts: Pick<Bench, 'activities'> & { sink: WatchSink }) => Promise<void>,
): Promise<void> {
  let sink: WatchSink | undefined;
  const answer = async (): Promise<VirtualMachineState> => now;
  const platform = {
    name: 'lagging',
    watch: (given: WatchSink, signal: AbortSignal) => {
      sink = given;
      given.changed(seen);
      given.synced();
      return new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    },
    read: answer,
    power: answer,
  } as unknown as Platform;
  const observer = new Observer(platform);
  try {
    await observer.synced();
    const activities = createActivities({ platform, observer });
    await use({ activities, sink: sink as WatchSink });
  } finally {
    await observer.close();
  }
}

function on(version: string, ready: boolean): VirtualMachineState {
  return { vm: vm('db'), status: { powerState: 'PoweredOn', ready, version, at: 1 } };
}

test('GATE-3: readiness that was observed before the power state was reached does not count', () =>
  lagging(on('5', true), on('8', false), async ({ activities, sink }) => {
    let isReached = false;
    const ended = attempt(
      activities.powerOn,
      powerInput('db', { gate: 'Ready' }),
      1,
      undefined,
      (environment) =>
        environment.on('heartbeat', ({ progress }: { progress: { reachedAt?: number } }) => {
          isReached ||= progress.reachedAt !== undefined;
        }),
    );
    await until(() => isReached);
    sink.changed(on('7', true));
    sink.changed(on('9', true));
    const { result } = await ended;
    expect(result?.status).toMatchObject({ ready: true, version: '9' });
  }));

test('GATE-3: with a probe, no state from before is reported', async () => {
  const { port, start, stop } = await service();
  await start();
  const off: VirtualMachineState = {
    vm: vm('db'),
    status: { powerState: 'PoweredOff', version: '5', at: 1 },
  };
  const probed = probe(port, { tcpSocket: { port, host: '127.0.0.1' } });
  await lagging(off, on('8', true), async ({ activities }) => {
    const { result } = await attempt(activities.powerOn, input(port, { probe: probed }));
    expect(result?.status).toMatchObject({ powerState: 'PoweredOn', version: '8' });
  });
  stop();
});
