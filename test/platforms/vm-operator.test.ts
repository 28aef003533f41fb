/** The platform `vm-operator` on a real API server; the test plays VM Operator. */
import {
  connectKubernetes,
  virtualMachineCache,
  type ResourceCache,
  type VirtualMachineObject,
} from '../../kubernetes';
import { Observer, type PowerRequest, type VirtualMachineState } from '../../platforms';
import { type VirtualMachineRef } from '../../contract';
import { VmOperatorPlatform } from '../../platforms/vm-operator';
import { attempt, attempts, powerInput } from '../activities/fixtures';
import { startFaultProxy } from '../support/fault-proxy';
import type { TestCluster } from '../support/kubernetes';
import { until } from '../support/until';
import { condition, Desk, startZonedCluster, withProcess } from './vm-operator-fixtures';

let cluster: TestCluster;
let desk: Desk;
beforeAll(async () => {
  cluster = await startZonedCluster();
  desk = new Desk(cluster.kubeconfig());
}, 120_000);
afterAll(() => cluster.stop());

const OPERATION = 'vmgroup.dev/operation';
const APPLY_TIME = 'vmoperator.vmware.com.protected/apply-power-state-time';
const admin = (): string => cluster.kubeconfig();

let counter = 0;
/** A name that no other test has. */
function fresh(): string {
  counter += 1;
  return `vm-${counter}`;
}

function request(
  vm: VirtualMachineRef,
  powerState: PowerRequest['powerState'],
  over: Partial<PowerRequest> = {},
): PowerRequest {
  const operation = { id: `op-${vm.name}`, sequence: 10 };
  return { vm, operation, powerState, guestShutdownTimeout: 1_000, caller: 'vmgroup/prod/shop', ...over };
}

test('the watch reports every VM, then each change, a deletion, and another VM of the same name', async () => {
  const name = fresh();
  const vm = await desk.vm(name);
  await withProcess(admin(), async ({ platform, observer, api }) => {
    const told: string[] = [];
    const stop = new AbortController();
    const watching = platform.watch(
      {
        changed: ({ vm: { name: which, uid }, status }) => {
          if (which === name) told.push(`${uid === vm.uid ? 'first' : 'second'} ${status.powerState}`);
        },
        deleted: ({ name: which, uid }) => {
          if (which === name) told.push(`${uid === vm.uid ? 'first' : 'second'} deleted`);
        },
        synced: () => told.push('synced'),
      },
      stop.signal,
    );
    await until(() => told.includes('synced'));
    await desk.status(name, { powerState: 'PoweredOn' });
    await until(() => observer.get(vm)?.status.powerState === 'PoweredOn');
    await desk.delete(name);
    await until(() => observer.get(vm) === undefined);
    await desk.manifest(name);
    await until(() => told.length >= 5);
    stop.abort();
    await watching;
    expect(told).toEqual([
      'first PoweredOff',
      'synced',
      'first PoweredOn',
      'first deleted',
      'second PoweredOff',
    ]);
    expect(api.calls).toEqual([]);
  });
});

test('a process that starts has listed the VMs before it follows them: that is no trouble worth a warning', async () => {
  const name = fresh();
  await desk.vm(name);
  const proxy = await startFaultProxy(admin());
  const api = connectKubernetes({ kubeconfig: proxy.kubeconfig });
  proxy.decide(({ watch }) => (watch ? { delay: 500 } : undefined));
  const machines = virtualMachineCache({ api });
  const platform = new VmOperatorPlatform({ api, machines });
  const told: unknown[] = [];
  const observer = new Observer(platform, { onBroken: (error) => told.push(error) });
  await observer.synced();
  expect(observer.get({ namespace: 'prod', name })).toBeDefined();
  expect(told).toEqual([]);
  await observer.close();
  await platform.close();
  await machines.stop();
  await proxy.close();
});

test('what is observed: power state, place, readiness; a VM that is not created is off and has no place', async () => {
  const [name, bare] = [fresh(), fresh()];
  const vm = await desk.vm(name, 'PoweredOn', {
    status: { nodeName: 'host-1', conditions: [condition('Ready', 'False')] },
  });
  const other = await desk.manifest(bare, { spec: { powerState: 'PoweredOff' } });
  await withProcess(admin(), async ({ platform }) => {
    const before = Date.now();
    const state = (await platform.read(vm)) as VirtualMachineState;
    expect(state).toEqual({
      vm,
      status: {
        powerState: 'PoweredOn',
        ready: false,
        at: state.status.at,
        placement: { zoneID: 'zone-a', node: 'host-1' },
        version: expect.stringMatching(/^\d+$/) as string,
      },
    });
    expect(state.status.at).toBeGreaterThanOrEqual(before);
    const { status } = (await platform.read(other)) as VirtualMachineState;
    expect(status).toEqual({
      powerState: 'PoweredOff',
      at: status.at,
      version: expect.any(String) as string,
    });
    expect(await platform.read({ ...vm, uid: 'another' })).toBeUndefined();
    expect(await platform.read({ ...vm, name: 'nobody' })).toBeUndefined();
  });
});

test('VMOPERATOR-3: a power operation is one PATCH and nothing else; the apply time of the group controller is taken off', async () => {
  const name = fresh();
  const vm = await desk.vm(name, 'PoweredOff', {
    metadata: { annotations: { [APPLY_TIME]: '2030-01-01T00:00:00Z', kept: 'yes' } },
    spec: { powerOffMode: 'Soft' },
  });
  await withProcess(admin(), async ({ activities, api }) => {
    const operation = { id: 'power-on/db@7', sequence: 7 };
    const running = attempt(activities.powerOn, powerInput(name, { vm, operation }));
    await until(async () => (await desk.get(name)).spec['powerState'] === 'PoweredOn');
    const { metadata, spec } = await desk.get(name);
    expect(spec).toEqual({ powerState: 'PoweredOn', className: 'small', powerOffMode: 'Soft' });
    expect(Object.keys(metadata.annotations ?? {}).sort()).toEqual(['kept', OPERATION]);
    const record = await desk.record(name, OPERATION);
    expect(record).toEqual({
      uid: vm.uid,
      ...operation,
      powerState: 'PoweredOn',
      caller: 'vmgroup/prod/group',
      at: record['at'],
    });
    await desk.obey(name);
    const { result } = await running;
    expect(result).toMatchObject({ acted: true, status: { powerState: 'PoweredOn' }, failures: [] });
    expect(api.calls).toEqual(['PATCH virtualmachines']);
  });
});

test('POWER-1: a VM that is in its state is read once and not written', async () => {
  const name = fresh();
  const vm = await desk.vm(name, 'PoweredOn');
  await withProcess(admin(), async ({ activities, api }) => {
    const { result } = await attempt(activities.powerOn, powerInput(name, { vm }));
    expect(result).toMatchObject({ acted: false, status: { powerState: 'PoweredOn' } });
    expect(api.calls).toEqual(['GET virtualmachines']);
  });
});

test.each([
  ['PoweredOff', 'Hard', { powerState: 'PoweredOff', powerOffMode: 'Hard', suspendMode: 'Soft' }],
  ['PoweredOff', undefined, { powerState: 'PoweredOff', powerOffMode: 'TrySoft', suspendMode: 'Soft' }],
  ['Suspended', 'Hard', { powerState: 'Suspended', powerOffMode: 'TrySoft', suspendMode: 'Hard' }],
] as const)('%s in mode %s: a mode is written where one is given', async (powerState, mode, spec) => {
  const name = fresh();
  const vm = await desk.vm(name, 'PoweredOn', { spec: { powerOffMode: 'TrySoft', suspendMode: 'Soft' } });
  await withProcess(admin(), async ({ platform }) => {
    const state = await platform.power(request(vm, powerState, { ...(mode && { mode }) }));
    expect(state.operation).toEqual({
      id: `op-${name}`,
      sequence: 10,
      caller: 'vmgroup/prod/shop',
      phase: 'InProgress',
    });
    expect((await desk.get(name)).spec).toEqual({ className: 'small', ...spec });
  });
});

test('a VM that is off stays off when it is to be suspended, also where it was on its way up', async () => {
  const name = fresh();
  const vm = await desk.vm(name, 'PoweredOff', { spec: { powerState: 'PoweredOff' } });
  await desk.edit(name, { spec: { powerState: 'PoweredOn' } });
  await withProcess(admin(), async ({ activities }) => {
    const { result } = await attempt(activities.suspend, powerInput(name, { vm, powerState: 'Suspended' }));
    expect(result).toMatchObject({ status: { powerState: 'PoweredOff' } });
    expect((await desk.get(name)).spec['powerState']).toBe('PoweredOff');
  });
});

test('PLATFORM-2: an older operation is refused, by each process, with the names of both', async () => {
  const name = fresh();
  const vm = await desk.vm(name);
  await withProcess(admin(), (one) =>
    withProcess(admin(), async (other) => {
      const newer = request(vm, 'PoweredOn', { operation: { id: 'new', sequence: 20 } });
      const older = request(vm, 'PoweredOff', { operation: { id: 'old', sequence: 19 } });
      await one.platform.power(newer);
      for (const { platform } of [one, other]) {
        await expect(platform.power(older)).rejects.toMatchObject({
          failureClass: 'Superseded',
          message: expect.stringMatching(
            new RegExp(
              `operation old on VM prod/${name} has sequence 19, and operation new of vmgroup/prod/shop has 20`,
            ),
          ) as string,
        });
      }
      expect((await desk.get(name)).spec['powerState']).toBe('PoweredOn');
    }),
  );
});

test('POWER-4: a fence leaves its operation on a VM that is in the state already, and changes nothing else', async () => {
  const name = fresh();
  const vm = await desk.vm(name, 'PoweredOn');
  const { metadata } = await desk.get(name);
  await withProcess(admin(), async ({ activities, platform }) => {
    const operation = { id: 'fence', sequence: 50 };
    const { result } = await attempt(activities.powerOn, powerInput(name, { vm, operation, fence: true }));
    expect(result).toMatchObject({ status: { powerState: 'PoweredOn' } });
    expect((await desk.get(name)).metadata.generation).toBe(metadata.generation);
    const late = request(vm, 'PoweredOff', { operation: { id: 'late', sequence: 49 } });
    await expect(platform.power(late)).rejects.toMatchObject({ failureClass: 'Superseded' });
  });
});

test('VMOPERATOR-1: another client writes in between: read again, decided again', async () => {
  const name = fresh();
  const vm = await desk.vm(name);
  await withProcess(admin(), async ({ api, platform }) => {
    let writes = 1;
    api.before = async (call) => {
      if (call.startsWith('PATCH') && writes-- > 0) await desk.status(name, { uniqueID: `id-${writes}` });
    };
    await platform.power(request(vm, 'PoweredOn'));
    expect(api.calls).toEqual(['PATCH virtualmachines', 'GET virtualmachines', 'PATCH virtualmachines']);
    writes = 1_000;
    await expect(
      platform.power(request(vm, 'PoweredOff', { operation: { id: 'next', sequence: 11 } })),
    ).rejects.toMatchObject({
      failureClass: 'Transient',
      message: expect.stringContaining(`VirtualMachine prod/${name} was changed by another client`) as string,
    });
    expect((await desk.get(name)).spec['powerState']).toBe('PoweredOn');
  });
});

test('VMOPERATOR-1: a newer operation that came in between wins', async () => {
  const name = fresh();
  const vm = await desk.vm(name);
  await withProcess(admin(), (one) =>
    withProcess(admin(), async (other) => {
      one.api.before = async (call) => {
        if (call.startsWith('GET')) return;
        await other.platform.power(request(vm, 'PoweredOff', { operation: { id: 'new', sequence: 20 } }));
      };
      await expect(one.platform.power(request(vm, 'PoweredOn'))).rejects.toMatchObject({
        failureClass: 'Superseded',
      });
      expect((await desk.get(name)).spec['powerState']).toBe('PoweredOff');
    }),
  );
});

test('NEWEST-1: an echo from before an operation does not end it', async () => {
  const name = fresh();
  const vm = await desk.vm(name, 'PoweredOn');
  await withProcess(admin(), async ({ machines }) => {
    const lagging = behind(machines, 500);
    await withProcess(
      admin(),
      async ({ activities, observer, platform }) => {
        // It was off and on again; of that the cache will hear late.
        await desk.status(name, { powerState: 'PoweredOff' });
        await platform.read(vm);
        await desk.status(name, { powerState: 'PoweredOn' });
        await desk.status(name, { powerState: 'PoweredOff' });
        const states: string[] = [];
        observer.onChange(({ vm: { name: which }, state }) => {
          if (which === name) states.push(state.status.powerState);
        });
        await platform.read(vm);
        const ended = attempt(activities.powerOn, powerInput(name, { vm }));
        await until(async () => (await desk.record(name, OPERATION)) !== null);
        // Until the lagging cache has told all that it has to tell.
        await new Promise((resolve) => setTimeout(resolve, 1_200));
        expect(states).not.toContain('PoweredOn');
        await desk.obey(name);
        expect((await ended).result).toMatchObject({ acted: true, status: { powerState: 'PoweredOn' } });
      },
      { machines: lagging },
    );
  });
});

/** The same cache, but each change is known only `milliseconds` later. */
function behind(
  cache: ResourceCache<VirtualMachineObject>,
  milliseconds: number,
): ResourceCache<VirtualMachineObject> {
  const objects = new Map(cache.entries());
  const listeners = new Set<Parameters<typeof cache.onChange>[0]>();
  cache.onChange((change) => {
    setTimeout(() => {
      if (change.object) objects.set(change.key, change.object);
      else objects.delete(change.key);
      for (const listener of listeners) listener(change);
    }, milliseconds);
  });
  return {
    plural: cache.plural,
    get: (key) => objects.get(key),
    entries: () => objects.entries(),
    size: objects.size,
    live: true,
    lastContactAt: undefined,
    error: undefined,
    counts: cache.counts,
    synced: () => cache.synced(),
    onChange: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    onLive: () => () => undefined,
    stop: () => Promise.resolve(),
  };
}

test('a VM that is not there: off is done, on is refused with what to do', async () => {
  const vm = { namespace: 'prod', name: 'nobody', uid: 'gone' };
  await withProcess(admin(), async ({ activities, platform }) => {
    const off = await platform.power(request(vm, 'PoweredOff'));
    expect(off).toMatchObject({ status: { powerState: 'PoweredOff' }, operation: { phase: 'Done' } });
    const [ended] = await attempts(activities.powerOn, powerInput('nobody', { vm }));
    expect(ended?.error).toMatchObject({
      type: 'Permanent',
      message: expect.stringContaining('VirtualMachine prod/nobody (uid gone) no longer exists') as string,
    });
  });
});

test('another client changes the power state in the middle: the attempt fails with the reason, and the next one asks again', async () => {
  const name = fresh();
  const vm = await desk.vm(name);
  await withProcess(admin(), async ({ activities }) => {
    const running = attempt(activities.powerOn, powerInput(name, { vm }));
    await until(async () => (await desk.get(name)).spec['powerState'] === 'PoweredOn');
    await desk.edit(name, { spec: { powerState: 'PoweredOff' } });
    const first = await running;
    expect(first.error).toMatchObject({
      type: 'Transient',
      message: expect.stringContaining(
        `spec.powerState of VM prod/${name} was set to PoweredOff by another client`,
      ) as string,
    });
    const second = attempt(activities.powerOn, powerInput(name, { vm }), 2, first.details);
    await until(async () => (await desk.get(name)).spec['powerState'] === 'PoweredOn');
    await desk.obey(name);
    expect((await second).result).toMatchObject({ acted: true, status: { powerState: 'PoweredOn' } });
    expect(await desk.record(name, OPERATION)).toMatchObject({
      id: `run/${name}~2`,
      earlier: [`run/${name}`],
    });
  });
});

test('a VM on its way elsewhere by hand is not there, though it still looks so', async () => {
  const name = fresh();
  const vm = await desk.vm(name, 'PoweredOn');
  await desk.edit(name, { spec: { powerState: 'PoweredOff' } });
  await withProcess(admin(), async ({ activities }) => {
    const running = attempt(activities.powerOn, powerInput(name, { vm }));
    await until(async () => (await desk.get(name)).spec['powerState'] === 'PoweredOn');
    await desk.status(name, { powerState: 'PoweredOff' });
    await desk.obey(name);
    expect((await running).result).toMatchObject({ acted: true, status: { powerState: 'PoweredOn' } });
  });
});

test('held: the operation stays open, the time-out says who holds it and what to do, and it continues once the hold is gone', async () => {
  const name = fresh();
  const check = 'poweron.check.vmoperator.vmware.com/backup';
  const vm = await desk.vm(name, 'PoweredOff', { metadata: { annotations: { [check]: 'true' } } });
  await withProcess(admin(), async ({ activities, observer }) => {
    const late = await attempt(activities.powerOn, powerInput(name, { vm, operationTimeout: 200 }));
    expect(late.error).toMatchObject({
      type: 'OperationTimeout',
      message: expect.stringMatching(
        new RegExp(
          `it did not happen within 0.2 s: VM Operator does not power it on while it has the annotation ${check}`,
        ),
      ) as string,
    });
    const next = attempt(activities.powerOn, powerInput(name, { vm }), 2, late.details);
    await desk.edit(name, { metadata: { annotations: { 'vmoperator.vmware.com/paused': '' } } });
    await until(() => observer.get(vm)?.operation?.hold?.includes('vmoperator.vmware.com/paused') === true);
    await desk.edit(name, {
      metadata: { annotations: { 'vmoperator.vmware.com/paused': null, [check]: null } },
    });
    await desk.obey(name);
    expect((await next).result).toMatchObject({ status: { powerState: 'PoweredOn' } });
  });
});

test('a warning of VM Operator without an effect fails each attempt with the cause, until the budget is used up', async () => {
  const name = fresh();
  const vm = await desk.vm(name);
  await withProcess(
    admin(),
    async ({ activities, api }) => {
      const input = powerInput(name, {
        vm,
        retry: { maximumAttempts: 2, initialInterval: 1, maximumInterval: 1 },
      });
      const running = attempts(activities.powerOn, input);
      await until(async () => (await desk.get(name)).spec['powerState'] === 'PoweredOn');
      await desk.warn(
        vm,
        'the object has been modified; please apply your changes to the latest version and try again',
      );
      await desk.warn(vm, 'Insufficient resources to satisfy configured failover level for vSphere HA');
      const ended = await running;
      expect(ended.map(({ error }) => error?.type)).toEqual(['NoCapacity', 'NoCapacity']);
      expect(ended[1]?.error).toMatchObject({
        nonRetryable: true,
        message: `power on prod/${name}: attempt 2 of 2: VM Operator: Insufficient resources to satisfy configured failover level for vSphere HA`,
      });
      expect(api.calls.filter((call) => call.startsWith('PATCH'))).toHaveLength(2);
    },
    { patience: 300 },
  );
});

test('a warning that VM Operator gets over is no failure', async () => {
  const name = fresh();
  const vm = await desk.vm(name);
  await withProcess(
    admin(),
    async ({ activities }) => {
      const running = attempt(activities.powerOn, powerInput(name, { vm }));
      await until(async () => (await desk.get(name)).spec['powerState'] === 'PoweredOn');
      await desk.warn(vm, 'the host did not answer');
      await desk.obey(name);
      expect((await running).result).toMatchObject({ status: { powerState: 'PoweredOn' }, failures: [] });
    },
    { patience: 1_000 },
  );
});

test('a gate on a condition of the VM; of the others nothing goes into the history', async () => {
  const name = fresh();
  const vm = await desk.vm(name, 'PoweredOn', { status: { conditions: [condition('Created', 'True')] } });
  await withProcess(admin(), async ({ activities }) => {
    const gate = 'Condition/Booted';
    const late = await attempt(activities.powerOn, powerInput(name, { vm, gate, gateTimeout: 50 }));
    expect(late.error?.message).toMatch(/its condition Booted did not become True within 0.1 s$/);
    const running = attempt(activities.powerOn, powerInput(name, { vm, gate }));
    await desk.status(name, { conditions: [condition('Created', 'True'), condition('Booted', 'True')] });
    expect((await running).result?.status).toMatchObject({ powerState: 'PoweredOn', conditions: ['Booted'] });
    const plain = await attempt(activities.powerOn, powerInput(name, { vm }));
    expect(plain.result?.status).not.toHaveProperty('conditions');
  });
});
