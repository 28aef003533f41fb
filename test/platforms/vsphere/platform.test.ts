/**
 * What only the platform `vsphere` has: questions, VMware Tools, DRS, other tasks, lost hosts, names. On a simulated vCenter.
 *
 * Guarantees: G1, G5.
 */
import { Observer, type GuestReport, type PowerRequest, type VirtualMachineState } from '../../../platforms';
import type { VirtualMachineRef } from '../../../contract';
import { VspherePlatform, type Scope } from '../../../platforms/vsphere';
import { childrenOf, element, SoapClient, textOf } from '../../../platforms/vsphere/soap';
import { readProperties } from '../../../platforms/vsphere/stream';
import { startVcenter, type TestVcenter } from '../../support/vsphere';
import { until } from '../../support/until';

let vcenter: TestVcenter;
beforeAll(async () => {
  vcenter = await startVcenter();
  await vcenter.drs('off');
});
afterAll(() => vcenter.stop());

interface Process {
  platform: VspherePlatform;
  observer: Observer;
  until: (
    holds: (state: VirtualMachineState) => boolean,
    vm?: VirtualMachineRef,
  ) => Promise<VirtualMachineState>;
}

/** A process that knows these VMs. */
async function withProcess(
  vms: readonly VirtualMachineRef[],
  run: (process: Process) => Promise<void>,
  scope: Scope = {},
): Promise<void> {
  const { address, user, password, authority } = vcenter;
  const platform = new VspherePlatform({
    address,
    scope,
    trust: { ca: authority.certificate },
    credentials: async () => ({ user, password }),
  });
  platform.track(vms);
  const observer = new Observer(platform);
  await observer.synced();
  try {
    await run({
      platform,
      observer,
      until: (holds, vm = vms[0]) => {
        if (!vm) throw new Error('no VM');
        return observer.until(vm, holds, AbortSignal.timeout(30_000));
      },
    });
  } finally {
    await observer.close();
    await platform.close();
  }
}

let counter = 0;
async function newVm(extra: Record<string, string> = {}): Promise<VirtualMachineRef> {
  counter += 1;
  const name = `vm-${counter}`;
  await vcenter.create({ name, extra });
  return { namespace: 'prod', name, uid: `uid-${counter}` };
}

function request(
  vm: VirtualMachineRef,
  powerState: PowerRequest['powerState'],
  over: Partial<PowerRequest> = {},
): PowerRequest {
  counter += 1;
  const operation = { id: `op-${counter}`, sequence: counter };
  return { vm, operation, powerState, guestShutdownTimeout: 300, caller: 'vmgroup/prod/shop', ...over };
}

const isDone = ({ operation }: VirtualMachineState): boolean => operation?.phase === 'Done';

async function powerOn(vm: VirtualMachineRef, { platform, until: wait }: Process): Promise<void> {
  await platform.power(request(vm, 'PoweredOn'));
  await wait(({ status, operation }) => status.ready === true && operation?.phase === 'Done', vm);
}

test('a question holds the operation, is shown with its choices, and the operation continues once it is answered', async () => {
  const vm = await newVm();
  const choices = { '0': 'Cancel', '1': 'I Moved It', '2': 'I Copied It' };
  await vcenter.behave(vm.name, { question: { id: 'q-1', text: 'Was it moved or copied?', choices } });
  await withProcess([vm], async ({ platform, until: wait }) => {
    await platform.power(request(vm, 'PoweredOn'));
    const asked = await wait(({ question }) => question !== undefined);
    expect(asked.operation).toMatchObject({ phase: 'InProgress' });
    expect(asked.operation?.hold).toMatch(/Was it moved or copied\? Choices: .*1 \(I Moved It\)/);
    expect(asked.question?.choices).toEqual(expect.arrayContaining([{ key: '1', label: 'I Moved It' }]));
    await expect(platform.answer(vm, { question: 'q-0', choice: '1' })).rejects.toMatchObject({
      failureClass: 'Permanent',
    });
    await expect(platform.answer(vm, { question: 'q-1', choice: '7' })).rejects.toThrow(
      /takes one of .*not 7/,
    );
    await platform.answer(vm, { question: 'q-1', choice: '1' });
    const { question } = await wait(isDone);
    expect(question).toBeUndefined();
    expect((await vcenter.vm(vm.name)).operations).toBe(1);
  });
});

test('Ready comes with VMware Tools, with the address of the guest, and goes with the power', async () => {
  const vm = await newVm();
  await vcenter.behave(vm.name, { toolsAfter: 300 });
  await withProcess([vm], async ({ platform, until: wait }) => {
    await platform.power(request(vm, 'PoweredOn'));
    const on = await wait(isDone);
    expect(on.status).toMatchObject({ powerState: 'PoweredOn', ready: false });
    const ready = await wait(({ status }) => status.ready === true);
    expect(ready.status.address).toBe('127.0.0.1');
    await platform.power(request(vm, 'PoweredOff', { mode: 'Hard' }));
    const off = await wait(isDone);
    expect(off.status).toMatchObject({ powerState: 'PoweredOff', ready: false });
    expect(off.status).not.toHaveProperty('address');
  });
});

test('TrySoft waits for VMware Tools that are not up yet, then asks the guest', async () => {
  const vm = await newVm();
  await vcenter.behave(vm.name, { toolsAfter: 1_500 });
  await withProcess([vm], async ({ platform, until: wait }) => {
    await platform.power(request(vm, 'PoweredOn'));
    await wait(isDone);
    await platform.power(request(vm, 'PoweredOff', { mode: 'TrySoft', guestShutdownTimeout: 20_000 }));
    const waiting = await wait(({ operation }) => operation?.hold !== undefined);
    expect(waiting.operation?.hold).toBe('VMware Tools do not run, so the guest cannot be asked');
    await wait(({ status }) => status.powerState === 'PoweredOff');
    const { journal } = await vcenter.calls();
    const methods = journal.filter((call) => call.vm === vm.name).map(({ method }) => method);
    expect(methods.filter((method) => method !== 'SetField')).toEqual([
      ...['PowerOnVM_Task', 'ShutdownGuest', 'ShutdownGuest'],
    ]);
  });
});

test('without VMware Tools TrySoft forces the VM off, and Soft says why it does not', async () => {
  const vm = await newVm();
  await vcenter.behave(vm.name, { noTools: true });
  await withProcess([vm], async ({ platform, until: wait }) => {
    await platform.power(request(vm, 'PoweredOn'));
    await wait(isDone);
    await platform.power(request(vm, 'PoweredOff', { mode: 'Soft' }));
    await wait(({ operation }) => operation?.hold?.includes('VMware Tools do not run') === true);
    await platform.power(request(vm, 'PoweredOff', { mode: 'TrySoft' }));
    const off = await wait(isDone);
    expect(off.status.powerState).toBe('PoweredOff');
  });
});

test('TrySoft gives a guest more time than a timer takes, and does not force it at once', async () => {
  const vm = await newVm();
  await vcenter.behave(vm.name, { deaf: true });
  await withProcess([vm], async (process) => {
    await powerOn(vm, process);
    const guestShutdownTimeout = 30 * 86_400_000;
    await process.platform.power(request(vm, 'PoweredOff', { mode: 'TrySoft', guestShutdownTimeout }));
    await new Promise((resolve) => setTimeout(resolve, 500));
    const { journal } = await vcenter.calls();
    const methods = journal.filter((call) => call.vm === vm.name).map(({ method }) => method);
    expect(methods.filter((method) => method !== 'SetField')).toEqual(['PowerOnVM_Task', 'ShutdownGuest']);
  });
});

test('another task on the VM is waited for, and named', async () => {
  const vm = await newVm();
  await vcenter.behave(vm.name, { never: true });
  await withProcess([vm], async ({ platform, until: wait }) => {
    await platform.power(request(vm, 'PoweredOn'));
    await platform.power(request(vm, 'PoweredOff', { mode: 'Hard' }));
    await platform.power(request(vm, 'PoweredOn'));
    const held = await wait(({ operation }) => operation?.hold !== undefined);
    expect(held.operation?.hold).toMatch(/another task works on it: VirtualMachine\.powerOn/);
    await vcenter.behave(vm.name, {});
    const on = await wait(isDone);
    expect(on.status.powerState).toBe('PoweredOn');
    expect((await vcenter.vm(vm.name)).effects).toEqual(['poweredOn']);
  });
});

test('a VM whose host is lost keeps its last state, and operations on it wait for the host', async () => {
  const vm = await newVm();
  await withProcess([vm], async (process) => {
    await powerOn(vm, process);
    const { platform, observer } = process;
    await vcenter.act(vm.name, 'runtime.connectionState', 'disconnected');
    await until(
      async () => (await vcenter.vm(vm.name)) && observer.get(vm)?.status.powerState === 'PoweredOn',
    );
    const refused = platform.power(request(vm, 'PoweredOff'));
    await expect(refused).rejects.toMatchObject({ failureClass: 'Transient' });
    await expect(platform.power(request(vm, 'PoweredOff'))).rejects.toThrow(
      /connection state is disconnected/,
    );
    await vcenter.act(vm.name, 'runtime.connectionState', 'connected');
    await until(() =>
      platform.power(request(vm, 'PoweredOff', { mode: 'Hard' })).then(
        () => true,
        () => false,
      ),
    );
    await process.until(({ status }) => status.powerState === 'PoweredOff');
  });
});

describe('DRS', () => {
  afterEach(() => vcenter.drs('off'));

  test('places the VM, whose own task is followed', async () => {
    const vm = await newVm();
    await vcenter.drs('fullyAutomated');
    await withProcess([vm], async (process) => {
      await powerOn(vm, process);
      const [placed] = await process.platform.place([{ vm, cpus: 1, memory: 1 }], { caller: 'x' });
      expect(placed).toMatchObject({
        placement: { zoneID: 'DC0_C0' },
        note: 'DRS of DC0_C0 places it at power-on',
      });
    });
    await vcenter.behave(vm.name, {
      faults: [
        { method: 'PowerOnVM_Task', type: 'InsufficientFailoverResourcesFault', message: 'No spare host.' },
      ],
    });
    await vcenter.act(vm.name, 'poweredOff');
    await withProcess([vm], async ({ platform, until: wait }) => {
      await platform.power(request(vm, 'PoweredOn'));
      const failed = await wait(({ operation }) => operation?.phase === 'Failed');
      expect(failed.operation?.failure).toEqual({
        class: 'NoCapacity',
        message: expect.stringMatching(
          /No spare host\. \(InsufficientFailoverResourcesFault\); HA admission control keeps/,
        ) as string,
      });
    });
  });

  test('that finds no host refuses at once, in the class of its fault', async () => {
    const vm = await newVm();
    await vcenter.drs('fullyAutomated');
    await vcenter.behave(vm.name, { noRoom: 'NoCompatibleHost' });
    await withProcess([vm], async ({ platform }) => {
      await expect(platform.power(request(vm, 'PoweredOn'))).rejects.toMatchObject({
        failureClass: 'NoCapacity',
      });
    });
  });

  test('that only recommends holds the operation until an operator applies the recommendation', async () => {
    const vm = await newVm();
    await vcenter.drs('fullyAutomated');
    await vcenter.behave(vm.name, { manual: true });
    await withProcess([vm], async ({ platform, until: wait }) => {
      await platform.power(request(vm, 'PoweredOn'));
      const held = await wait(({ operation }) => operation?.hold !== undefined);
      expect(held.operation?.hold).toMatch(/DRS waits for an operator.*Apply this to power on/);
      await vcenter.act(vm.name, 'poweredOn');
      await wait(isDone);
    });
  });
});

// ---- Names ------------------------------------------------------------------------------------------------------------------------

test('BINDING-1: VMs are found by name in a folder, by UUID, and by path', async () => {
  const uuid = await vcenter.create({ name: 'twin', folder: 'east/apps' });
  await vcenter.create({ name: 'twin', folder: 'west' });
  const twin = { namespace: 'east', name: 'twin', uid: 'a' };
  const byUuid: VirtualMachineRef = {
    namespace: 'x',
    name: 'one',
    uid: 'b',
    locator: `uuid:${uuid.toUpperCase()}`,
  };
  const byPath: VirtualMachineRef = {
    namespace: 'x',
    name: 'two',
    uid: 'c',
    locator: 'path:/DC0/vm/west/twin',
  };
  const on = (state: VirtualMachineState): boolean => state.status.powerState === 'PoweredOn';
  await withProcess(
    [twin, byPath],
    async ({ platform, observer, until: wait }) => {
      expect(observer.list().map(({ vm }) => vm)).toEqual([twin, byPath]);
      await platform.power(request(byPath, 'PoweredOn'));
      await wait(on, byPath);
      expect(observer.get(twin)?.status.powerState).toBe('PoweredOff');
      // One VM, two manifests.
      await expect(platform.power(request(byUuid, 'PoweredOn'))).rejects.toThrow(
        /ambiguous: \/DC0\/vm\/east\/apps\/twin is the VM of the manifest east\/twin already/,
      );
    },
    { folder: '/DC0/vm/{namespace}' },
  );
});

test('BINDING-1: a name that fits several VMs, or none, is refused with candidates', async () => {
  const vm = { namespace: 'prod', name: 'double', uid: 'a' };
  await vcenter.create({ name: 'double', folder: 'one' });
  await vcenter.create({ name: 'double', folder: 'two' });
  const typo = { namespace: 'prod', name: 'doubel', uid: 'b' };
  await withProcess([vm, typo], async ({ platform, observer }) => {
    expect(observer.list()).toEqual([]);
    const several = platform.power(request(vm, 'PoweredOn'));
    await expect(several).rejects.toMatchObject({ failureClass: 'Permanent' });
    await expect(platform.read(vm)).rejects.toThrow(
      /ambiguous: .*\/DC0\/vm\/one\/double \(uuid:.*\/DC0\/vm\/two\/double \(uuid:/,
    );
    expect(await platform.read(typo)).toBeUndefined();
    expect([platform.mayHave(vm), platform.mayHave(typo)]).toEqual([true, false]);
    await expect(platform.power(request(typo, 'PoweredOn'))).rejects.toThrow(
      /there is no VM named doubel; there is \/DC0\/vm\/one\/double/,
    );
  });
});

test('templates are no VMs, and a VM that is renamed is another one by name', async () => {
  await vcenter.create({ name: 'golden', template: true });
  const template = { namespace: 'prod', name: 'golden', uid: 'a' };
  const vm = await newVm();
  const renamed = { namespace: 'prod', name: `${vm.name}-new`, uid: 'c' };
  await withProcess([template, vm, renamed], async ({ observer }) => {
    expect(observer.list().map((state) => state.vm)).toEqual([vm]);
    await vcenter.act(vm.name, 'rename', renamed.name);
    await until(() => observer.get(vm) === undefined && observer.get(renamed) !== undefined);
  });
});

// ---- Faults of sessions and processes ---------------------------------------------------------------------------------------------

test('G1: a process that ends between the record and the power leaves an operation that fails, not one that hangs', async () => {
  const vm = await newVm();
  const uuid = (await vcenter.vm(vm.name)).uuid;
  const record = { vm: uuid, id: 'lost', seq: 5, to: 'PoweredOn', by: 'x', at: new Date().toISOString() };
  await vcenter.act(vm.name, 'field', JSON.stringify(record));
  await withProcess([vm], async ({ until: wait }) => {
    const before = await wait(({ operation }) => operation?.id === 'lost');
    expect(before.operation?.phase).toBe('InProgress');
    const after = await wait(({ operation }) => operation?.phase === 'Failed');
    expect(after.operation?.failure).toMatchObject({ class: 'Transient' });
  });
});

describe('VSPHERE-5: an older operation of another process is written over the record of a newer one', () => {
  const fieldOf = async (vm: VirtualMachineRef): Promise<string> =>
    (await vcenter.vm(vm.name)).fields['vmgroup.operation'] ?? '';
  /** Runs `step` while the stream shows nothing: to its end, or for this many milliseconds. */
  async function unseen(vm: VirtualMachineRef, time: number, step: () => Promise<void>): Promise<void> {
    await vcenter.delays({ WaitForUpdatesEx: time });
    // Whatever changes next is held back.
    await vcenter.act(vm.name, 'guest.toolsRunningStatus', 'guestToolsRunning');
    await step();
    await vcenter.delays({});
  }

  test.each(['PoweredOn', 'PoweredOff'] as const)(
    'in the same words as before, so that the stream shows no change: it is written again (to a VM that is to be %s)',
    async (wanted) => {
      const vm = await newVm();
      await withProcess([vm], async (process) => {
        await powerOn(vm, process);
        const older = await fieldOf(vm);
        await vcenter.act(vm.name, 'poweredOff');
        await process.until(({ status }) => status.powerState === 'PoweredOff');
        const next = request(vm, wanted, { mode: 'Hard' });
        let asked: Promise<VirtualMachineState> | undefined;
        await unseen(vm, 60_000, async () => {
          asked = process.platform.power(next);
          await until(async () => (await fieldOf(vm)).includes(next.operation.id));
          await vcenter.act(vm.name, 'field', older);
        });
        await asked;
        const { status } = await process.until(isDone);
        expect(status.powerState).toBe(wanted);
        expect(await fieldOf(vm)).toContain(next.operation.id);
      });
    },
  );

  test('two processes that record the same operation leave it at that', async () => {
    const vm = await newVm();
    await withProcess([vm], (one) =>
      withProcess([vm], async (other) => {
        const before = (await vcenter.calls()).counts.SetField ?? 0;
        const next = request(vm, 'PoweredOn');
        await unseen(vm, 500, async () => {
          await Promise.all([one, other].map(({ platform }) => platform.power(next)));
        });
        await Promise.all([one, other].map((process) => process.until(isDone)));
        expect(((await vcenter.calls()).counts.SetField ?? 0) - before).toBeLessThanOrEqual(2);
      }),
    );
  });
});

test('VSPHERE-5: operations go on after an administrator has removed the custom attributes', async () => {
  const vm = await newVm();
  await withProcess([vm], async (first) => {
    await powerOn(vm, first);
    const [address, trust] = [vcenter.address, { ca: vcenter.authority.certificate }];
    const credentials = async (): Promise<{ user: string; password: string }> => vcenter;
    const administrator = new SoapClient({ address, trust, credentials });
    const manager = await administrator.manager('customFieldsManager');
    const found = await readProperties(administrator, [manager], ['field']);
    for (const field of childrenOf(found.get(manager.id)?.get('field'), 'CustomFieldDef'))
      await administrator.call(manager, 'RemoveCustomFieldDef', [element('key', textOf(field, 'key') ?? '')]);
    await administrator.close();
    const off = request(vm, 'PoweredOff', { mode: 'Hard' });
    // Another process is the first to notice.
    await withProcess([vm], async (second) => {
      await second.platform.power(off);
      await second.until(isDone);
    });
    const older = {
      ...off,
      operation: { ...off.operation, id: 'older', sequence: off.operation.sequence - 1 },
    };
    await expect(first.platform.power({ ...older, powerState: 'PoweredOn' })).rejects.toMatchObject({
      failureClass: 'Superseded',
    });
    await first.platform.power(request(vm, 'PoweredOn'));
    await first.until(
      ({ status, operation }) => status.powerState === 'PoweredOn' && operation?.phase === 'Done',
    );
  });
});

test('VSPHERE-3: a running operation costs a handful of calls, and nothing is polled', async () => {
  const vm = await newVm();
  await withProcess([vm], async (process) => {
    await powerOn(vm, process);
    const before = (await vcenter.calls()).counts;
    await vcenter.delays({ PowerOffVM_Task: 2_000 });
    await process.platform.power(request(vm, 'PoweredOff', { mode: 'Hard' }));
    await process.until(isDone);
    await vcenter.delays({});
    const after = (await vcenter.calls()).counts;
    const made = Object.keys(after)
      .filter((method) => method !== 'WaitForUpdatesEx')
      .map((method) => [method, (after[method] ?? 0) - (before[method] ?? 0)] as const)
      .filter(([, count]) => count > 0);
    expect(Object.fromEntries(made)).toEqual({
      RetrievePropertiesEx: 1,
      SetField: 1,
      PowerOffVM_Task: 1,
      ModifyListView: 1,
    });
  });
});

test('it reports the heartbeat of VMware Tools and guest info, and of guest info what was asked for', async () => {
  const vm = await newVm({ 'guestinfo.role': 'db', 'guestinfo.secret': 's' });
  await withProcess([vm], async (process) => {
    const guest = (): Promise<GuestReport | undefined> =>
      process.platform.guest(vm, ['role', 'missing', 'a"]']);
    expect((await guest())?.heartbeat).not.toBe('green');
    await powerOn(vm, process);
    expect(await guest()).toEqual({ heartbeat: 'green', info: new Map([['role', 'db']]) });
  });
});
