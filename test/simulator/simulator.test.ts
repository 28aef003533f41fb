/** The simulated platform as a whole: server, client, console, journal, crash. */
import { fork } from 'node:child_process';
import { once, setMaxListeners } from 'node:events';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { lateCallMessage, Observer, PlatformError, type VirtualMachineState } from '../../platforms';
import { SimulatedPlatform, SimulatorConsole, type JournalLine } from '../../platforms/simulated';
import { SimulatorInUseError, startSimulator, type Simulator, type SimulatorOptions } from '../../simulator';
import { GIB, inventory, placement, power, vm, withFaults, withFolder } from './fixtures';
import { until } from '../support/until';

interface Bench {
  simulator: Simulator;
  platform: SimulatedPlatform;
  desk: SimulatorConsole;
  observer: Observer;
  folder: string;
}

function bench(options: Partial<SimulatorOptions>, use: (bench: Bench) => Promise<void>): Promise<void> {
  return withFolder(async (folder) => {
    const simulator = await startSimulator({ dataDir: folder, inventory: inventory(), ...options });
    const platform = new SimulatedPlatform(simulator.address);
    const desk = new SimulatorConsole(simulator.address);
    const observer = new Observer(platform);
    try {
      await observer.synced();
      await use({ simulator, platform, desk, observer, folder });
    } finally {
      await observer.close();
      await platform.close();
      desk.close();
      await simulator.close();
    }
  });
}

const never = new AbortController().signal;
setMaxListeners(0, never);
const isOn = (state: VirtualMachineState): boolean => state.status.powerState === 'PoweredOn';
const isOff = (state: VirtualMachineState): boolean => state.status.powerState === 'PoweredOff';
const isReady = (state: VirtualMachineState): boolean => state.status.ready === true;

function linesOf(journal: JournalLine[], name: string): string[] {
  return journal.flatMap((line) => {
    if (!('vm' in line) || line.vm !== `prod/${name}`) return [];
    if (line.type === 'call') return [`${line.operationId} ${line.answer}`];
    return [line.type === 'effect' ? `${line.operationId ?? line.caller} => ${line.effect}` : line.type];
  });
}

test('a VM is placed, powered on, becomes ready, is suspended and powered off; the journal tells it', () =>
  bench({}, async ({ platform, desk, observer }) => {
    const [placed] = await platform.place([placement('db')], { caller: 'test' });
    expect(placed?.placement?.zoneID).toMatch(/^zone-/);
    expect((await platform.read(vm('db')))?.status).toMatchObject({ powerState: 'PoweredOff', ready: false });
    const accepted = await platform.power(power('db', 'PoweredOn', { id: 'on' }));
    expect(accepted).toMatchObject({
      status: { powerState: 'PoweredOff' },
      operation: { id: 'on', phase: 'InProgress' },
    });
    const on = await observer.until(vm('db'), isOn, never);
    expect(on.operation?.phase).toBe('Done');
    await observer.until(vm('db'), isReady, never);
    await platform.power(power('db', 'Suspended', { id: 'sus' }));
    const suspended = await observer.until(
      vm('db'),
      (state) => state.status.powerState === 'Suspended',
      never,
    );
    expect(suspended.status.ready).toBe(false);
    await platform.power(power('db', 'PoweredOff', { id: 'off' }));
    await observer.until(vm('db'), isOff, never);
    expect(linesOf(await desk.journal(), 'db')).toEqual([
      'on Accepted',
      'on => PoweredOn',
      'on => Ready',
      'sus Accepted',
      'sus => Suspended',
      'off Accepted',
      'off => PoweredOff',
    ]);
  }));

test('what separates lines outside of JSON is part of a text of the watch', () =>
  bench({}, async ({ platform, observer }) => {
    const name = 'db\u2028\u2029';
    await platform.place([placement(name)], { caller: 'test' });
    await platform.power(power(name, 'PoweredOn', { id: 'on' }));
    expect((await observer.until(vm(name), isOn, AbortSignal.timeout(30_000))).vm.name).toBe(name);
  }));

test('MACHINE-4: a clock that is set back does not hold up what is in progress', () =>
  bench({}, async ({ platform, observer }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const back = Date.now() - 86_400_000;
    const clock = jest.spyOn(Date, 'now').mockReturnValue(back);
    try {
      await platform.power(power('db', 'PoweredOn'));
      await observer.until(vm('db'), isReady, AbortSignal.timeout(30_000));
    } finally {
      clock.mockRestore();
    }
  }));

test('PLATFORM-2, ENGINE-1: a power-on is turned round in the middle, and the older decision that comes late is refused', () =>
  // Long enough that the VM is still on its way when it is turned round.
  bench({ inventory: inventory({ powerOnTime: 1_500 }) }, async ({ platform, desk, observer }) => {
    await platform.place([placement('db')], { caller: 'test' });
    await platform.power(power('db', 'PoweredOn', { id: 'on', sequence: 5 }));
    const turned = await platform.power(power('db', 'PoweredOff', { id: 'off', sequence: 6 }));
    expect(turned.operation).toEqual({ id: 'off', sequence: 6, caller: 'test', phase: 'Done' });
    await expect(platform.power(power('db', 'PoweredOn', { id: 'late', sequence: 5 }))).rejects.toMatchObject(
      {
        failureClass: 'Superseded',
      },
    );
    await platform.power(power('db', 'PoweredOn', { id: 'again', sequence: 7 }));
    await observer.until(vm('db'), isOn, never);
    const journal = await desk.journal();
    expect(linesOf(journal, 'db').slice(0, 5)).toEqual([
      'on Accepted',
      'off AlreadyThere',
      'late Refused',
      'again Accepted',
      'again => PoweredOn',
    ]);
    expect(journal.find((line) => line.type === 'call' && line.operationId === 'off')).toMatchObject({
      replaces: 'on',
    });
  }));

test('faults: each class reaches the caller, `times` counts calls, a lost reply still takes effect', () =>
  bench(
    {
      inventory: withFaults(
        { type: 'TransientError', vm: 'a', times: 1 },
        { type: 'Throttled', vm: 'prod/b', retryAfter: 1_234 },
        { type: 'PermanentError', vm: 'c' },
        { type: 'LostReply', vm: 'd', times: 1 },
        { type: 'Stuck', vm: 'e', times: 1 },
        { type: 'NoCapacity', vm: 'f' },
      ),
    },
    async ({ platform, desk, observer }) => {
      await platform.place(
        ['a', 'b', 'c', 'd', 'e'].map((name) => placement(name)),
        { caller: 'test' },
      );
      const on = power('a', 'PoweredOn', { id: 'a-1' });
      await expect(platform.power(on)).rejects.toMatchObject({ failureClass: 'Transient' });
      await expect(platform.power(on)).resolves.toMatchObject({ operation: { id: 'a-1' } });
      await expect(platform.power(power('b', 'PoweredOn'))).rejects.toMatchObject({
        failureClass: 'Throttled',
        retryAfter: 1_234,
      });
      await expect(platform.power(power('c', 'PoweredOn'))).rejects.toMatchObject({
        failureClass: 'Permanent',
      });
      await expect(platform.power(power('d', 'PoweredOn'))).rejects.toMatchObject({
        failureClass: 'Transient',
      });
      await observer.until(vm('d'), isOn, never);
      await platform.power(power('e', 'PoweredOn', { id: 'e-1', sequence: 1 }));
      await platform.power(power('e', 'PoweredOn', { id: 'e-1~2', sequence: 1 }));
      await observer.until(vm('e'), isReady, never);
      expect(linesOf(await desk.journal(), 'e')).toEqual([
        'e-1 Accepted',
        'e-1~2 Accepted',
        'e-1~2 => PoweredOn',
        'e-1~2 => Ready',
      ]);
      await expect(platform.place([placement('f')], { caller: 'test' })).rejects.toMatchObject({
        failureClass: 'NoCapacity',
      });
      await expect(platform.power(power('ghost', 'PoweredOn'))).rejects.toMatchObject({
        failureClass: 'Permanent',
      });
      expect((await platform.power(power('ghost', 'PoweredOff'))).status.powerState).toBe('PoweredOff');
    },
  ));

test('the console acts behind the back: power, a failing operation, delete, faults and inventory at run time', () =>
  bench({ inventory: withFaults({ type: 'Stuck' }) }, async ({ platform, desk, observer }) => {
    await platform.place([placement('db'), placement('web')], { caller: 'test' });
    await platform.power(power('db', 'PoweredOn', { id: 'on' }));
    await desk.fail(vm('db'), 'Permanent', 'the disk is gone');
    const failed = await observer.until(vm('db'), (state) => state.operation?.phase === 'Failed', never);
    expect(failed.operation?.failure).toEqual({ class: 'Permanent', message: 'the disk is gone' });
    await desk.power(vm('db'), 'PoweredOn');
    await observer.until(vm('db'), isReady, never);
    await desk.setFaults([]);
    await platform.power(power('web', 'PoweredOn'));
    await observer.until(vm('web'), isOn, never);
    const { behavior, ...rest } = await desk.inventory();
    await desk.setInventory({ ...rest, hosts: [], behavior });
    expect((await platform.read(vm('web')))?.status.placement).toBeDefined();
    await expect(platform.place([placement('new')], { caller: 'test' })).rejects.toThrow(
      'there is no host to place on',
    );
    await desk.delete(vm('web'));
    await until(() => observer.get(vm('web')) === undefined);
    expect(await platform.read(vm('web'))).toBeUndefined();
    await expect(desk.power(vm('web'), 'PoweredOn')).rejects.toThrow('the platform has no VM prod/web');
  }));

test('a restart continues operations in progress, keeps ids, sequences and places, and cuts off half a line', () =>
  withFolder(async (folder) => {
    const slow = inventory({ powerOnTime: 300, readyTime: 0 });
    const first = await startSimulator({ dataDir: folder, inventory: slow });
    const before = new SimulatedPlatform(first.address);
    await before.place([placement('db')], { caller: 'test' });
    await before.power(power('db', 'PoweredOn', { id: 'on', sequence: 9 }));
    await before.close();
    await first.close();
    await appendFile(first.journal, '{"n":4,"type":"effe');

    const second = await startSimulator({ dataDir: folder });
    const after = new SimulatedPlatform(second.address);
    const observer = new Observer(after);
    await observer.until(vm('db'), isReady, never);
    await expect(after.power(power('db', 'PoweredOff', { sequence: 8 }))).rejects.toMatchObject({
      failureClass: 'Superseded',
    });
    await observer.close();
    await after.close();
    await second.close();
    const journal = (await readFile(second.journal, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as JournalLine);
    expect(journal.map(({ n }) => n)).toEqual(journal.map((_, index) => index + 1));
    expect(linesOf(journal, 'db').slice(0, 3)).toEqual(['on Accepted', 'on => PoweredOn', 'on => Ready']);
  }));

test('PLATFORM-4: released room is reported, others get it, a late call is refused, and all of it survives a restart', () =>
  withFolder(async (folder) => {
    const hosts = [{ name: 'host-1', zone: 'zone-a', pool: 'pool-a', cpus: 4, memory: 64 * GIB }];
    const mine = { caller: 'vmgroup/prod/shop', sequence: 1 };
    const other = { caller: 'vmgroup/prod/blog', sequence: 1 };
    await bench({ dataDir: folder, inventory: inventory({}, hosts) }, async ({ platform, observer }) => {
      await platform.place([placement('on'), placement('off')], mine);
      await platform.power(power('on', 'PoweredOn'));
      await expect(platform.place([placement('next')], other)).rejects.toMatchObject({
        failureClass: 'NoCapacity',
      });
      const vms = [vm('on'), vm('off'), vm('never')];
      expect(await platform.release(vms, { ...mine, sequence: 2 })).toEqual([vm('off'), vm('never')]);
      expect(await platform.release(vms, { ...mine, sequence: 2 })).toEqual([vm('off'), vm('never')]);
      await until(() => observer.get(vm('off')) === undefined);
      expect(await platform.place([placement('next')], other)).toHaveLength(1);
    });
    await bench({ dataDir: folder }, async ({ platform, desk }) => {
      for (const name of ['off', 'never'])
        await expect(platform.place([placement(name, { cpus: 0 })], mine)).rejects.toMatchObject({
          failureClass: 'Superseded',
          message: lateCallMessage('vmgroup/prod/shop', `prod/${name}`),
        });
      expect(await platform.place([placement('off', { cpus: 0 })], { ...mine, sequence: 3 })).toHaveLength(1);
      const released = (await desk.journal()).find(({ type }) => type === 'release');
      expect(released).toMatchObject({
        caller: mine.caller,
        sequence: 2,
        vms: [{ answer: 'Kept' }, { answer: 'Released' }, { answer: 'NoPlace' }],
      });
    });
  }));

test('JOURNALLOCK-1: a second simulator on the same folder is refused and names the holder', () =>
  bench({}, async ({ folder, simulator }) => {
    const second = startSimulator({ dataDir: folder });
    await expect(second).rejects.toThrow(SimulatorInUseError);
    await expect(second).rejects.toThrow(`is in use by process ${process.pid} at ${simulator.address}`);
  }));

test('a damaged journal is named with its line and nothing is started', () =>
  withFolder(async (folder) => {
    await appendFile(join(folder, 'journal.jsonl'), 'not a line\n');
    await expect(startSimulator({ dataDir: folder })).rejects.toThrow(/journal\.jsonl is damaged at line 1/);
    // The lock was given back.
    await expect(startSimulator({ dataDir: folder })).rejects.toThrow(/damaged/);
  }));

test('JOURNALLOCK-3: a simulator whose folder another process has taken over writes nothing more', async () => {
  let broken: Error | undefined;
  const onBroken = (error: Error): void => void (broken = error);
  await bench({ onBroken }, async ({ simulator, platform, folder }) => {
    await platform.place([placement('db')], { caller: 'test' });
    const other = { pid: process.pid, processStart: 'later', instance: 'other', note: {} };
    await writeFile(join(folder, 'lock'), JSON.stringify(other));
    await until(() => broken !== undefined);
    expect(broken?.message).toContain(`another process took over ${folder}`);
    const before = await readFile(simulator.journal, 'utf8');
    await expect(platform.power(power('db', 'PoweredOn'))).rejects.toThrow('another process took over');
    expect(await readFile(simulator.journal, 'utf8')).toBe(before);
  });
});

test('JOURNAL-1, JOURNALLOCK-2, MACHINE-2: after kill -9 in the middle everything answered is in the journal and every operation ends once', () =>
  withFolder(async (folder) => {
    const names = Array.from({ length: 50 }, (_, index) => `vm-${index}`);
    const child = fork(join(__dirname, 'simulator-child.js'), [folder], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const [address] = (await once(child, 'message')) as [string];
    const platform = new SimulatedPlatform(address);
    const answered: string[] = [];
    const unknown: string[] = [];
    await platform.place(
      names.map((name) => placement(name)),
      { caller: 'test' },
    );
    const calls = names.map(async (name, index) => {
      // Spread over the time around the kill.
      await new Promise((resolve) => setTimeout(resolve, index * 4));
      const request = power(name, 'PoweredOn', { id: `on-${name}` });
      await platform.power(request).then(
        () => answered.push(name),
        () => unknown.push(name),
      );
    });
    await until(() => answered.length > 20);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await Promise.all(calls);
    await platform.close();
    expect(unknown.length).toBeGreaterThan(0);

    const simulator = await startSimulator({ dataDir: folder });
    const again = new SimulatedPlatform(simulator.address);
    const observer = new Observer(again);
    for (const name of names) await again.power(power(name, 'PoweredOn', { id: `on-${name}` }));
    await Promise.all(names.map((name) => observer.until(vm(name), isReady, never)));
    const desk = new SimulatorConsole(simulator.address);
    const journal = await desk.journal();
    for (const name of names) {
      const effects = linesOf(journal, name).filter((line) => line.endsWith('=> PoweredOn'));
      expect(effects).toEqual([`on-${name} => PoweredOn`]);
    }
    for (const name of answered) expect(linesOf(journal, name)[0]).toBe(`on-${name} Accepted`);
    expect(journal.map(({ n }) => n)).toEqual(journal.map((_, index) => index + 1));
    desk.close();
    await observer.close();
    await again.close();
    await simulator.close();
  }));

test('a simulator that is not there, or goes away, is a Transient failure', () =>
  withFolder(async (folder) => {
    const simulator = await startSimulator({ dataDir: folder, inventory: inventory() });
    const platform = new SimulatedPlatform(simulator.address);
    await simulator.close();
    await expect(platform.read(vm('db'))).rejects.toMatchObject({ failureClass: 'Transient' });
    await expect(platform.read(vm('db'))).rejects.toThrow(/ECONNREFUSED.*is the simulated platform running/);
    await expect(
      platform.watch({ changed: () => undefined, deleted: () => undefined, synced: () => undefined }, never),
    ).rejects.toThrow(PlatformError);
    await platform.close();
  }));

test.each([
  ['a body that is not JSON', '{', 400],
  ['a body of the wrong shape', '{"vm":{"namespace":"a"}}', 400],
  ['a body over the limit', `"${'x'.repeat(9 * 1024 * 1024)}"`, 413],
])('refused: %s', (_name, text, status) =>
  bench({}, async ({ simulator }) => {
    expect(await post(simulator.address, text, { 'content-type': 'application/json' })).toBe(status);
  }),
);

test('a page in a browser cannot reach the platform', () =>
  bench({}, async ({ simulator }) => {
    expect(await post(simulator.address, '{}', { 'content-type': 'text/plain' })).toBe(415);
    expect(await post(simulator.address, '{}', { host: 'evil.example' })).toBe(403);
  }));

function post(address: string, text: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const call = request(`${address}/v1/power`, { method: 'POST', headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    call.on('error', reject);
    call.end(text);
  });
}

test('1,000 VMs are powered on at once, each exactly once', () =>
  bench({}, async ({ platform, desk, observer }) => {
    const names = Array.from({ length: 1_000 }, (_, index) => `vm-${index}`);
    await platform.place(
      names.map((name) => placement(name)),
      { caller: 'test' },
    );
    const start = process.cpuUsage();
    await Promise.all([
      ...names.map((name) => platform.power(power(name, 'PoweredOn'))),
      ...names.map((name) => observer.until(vm(name), isReady, never)),
    ]);
    const { user, system } = process.cpuUsage(start);
    if (process.env['VMGROUP_FIGURES']) process.stdout.write(`cpu ${(user + system) / 1_000} ms\n`);
    const effects = (await desk.journal()).filter(
      (line) => line.type === 'effect' && line.effect === 'PoweredOn',
    );
    expect(effects).toHaveLength(1_000);
  }));
