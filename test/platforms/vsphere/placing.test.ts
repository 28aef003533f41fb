/**
 * Places on the platform `vsphere`: by the solver where DRS does not place, and by rules of DRS where it does. On a simulated vCenter with three
 * hosts.
 *
 * Guarantees: G5.
 */
import type { AffinityTerm } from '../../../api';
import type { PlacementRequest, VirtualMachineRef } from '../../../contract';
import type { Placed } from '../../../placement';
import { Observer, type PowerRequest, type VirtualMachineState } from '../../../platforms';
import { VspherePlatform, type VsphereOptions } from '../../../platforms/vsphere';
import { solveTogether } from '../../support/solve-together';
import { until } from '../../support/until';
import { startVcenter, type TestVcenter } from '../../support/vsphere';

const HOSTS = ['DC0_C0_H0', 'DC0_C0_H1', 'DC0_C0_H2'] as const;
const CALLER = 'vmgroup/prod/shop';

let vcenter: TestVcenter;
beforeAll(async () => (vcenter = await startVcenter()));
beforeEach(() => vcenter.drs('off'));
afterEach(async () => {
  // Those that have just booted take room.
  for (const name of made.splice(0)) await vcenter.act(name, 'destroy');
  for (const host of HOSTS)
    await vcenter.host(host, { maintenance: false, connection: 'connected', usedMb: 0, memoryMb: 65_536 });
});
afterAll(() => vcenter?.stop());

interface Process {
  platform: VspherePlatform;
  observer: Observer;
  power: (vm: VirtualMachineRef, powerState: PowerRequest['powerState']) => Promise<VirtualMachineState>;
}

async function withProcess(
  run: (process: Process) => Promise<void>,
  options: Partial<VsphereOptions> = {},
): Promise<void> {
  const { address, user, password, authority } = vcenter;
  const platform = new VspherePlatform({
    address,
    trust: { ca: authority.certificate },
    ...options,
    credentials: async () => ({ user, password }),
  });
  const observer = new Observer(platform);
  await observer.synced();
  const power: Process['power'] = async (vm, powerState) => {
    sequence += 1;
    const operation = { id: `op-${sequence}`, sequence };
    const request = { vm, operation, powerState, mode: 'Hard' as const, guestShutdownTimeout: 300 };
    await platform.power({ ...request, caller: CALLER });
    const done = (state: VirtualMachineState): boolean =>
      state.operation?.id === operation.id && state.operation.phase !== 'InProgress';
    return observer.until(vm, done, AbortSignal.timeout(30_000));
  };
  try {
    await run({ platform, observer, power });
  } finally {
    await observer.close();
    await platform.close();
  }
}

const made: string[] = [];
let counter = 0;
let sequence = 0;

async function newVm(host?: string): Promise<VirtualMachineRef> {
  counter += 1;
  const name = `place-${counter}`;
  await vcenter.create({ name, ...(host !== undefined && { host }) });
  made.push(name);
  return { namespace: 'prod', name, uid: `uid-${counter}` };
}

function asks(vm: VirtualMachineRef, app?: string, affinity: AffinityTerm[] = []): PlacementRequest {
  return { vm, cpus: 1, memory: 1, ...(app !== undefined && { labels: { app } }), affinity };
}

function rule(effect: AffinityTerm['effect'], app: string, over: Partial<AffinityTerm> = {}): AffinityTerm {
  return {
    effect,
    strength: 'Required',
    topologyKey: 'kubernetes.io/hostname',
    path: `spec.affinity.${app}`,
    selector: { matchLabels: { app }, matchExpressions: [] },
    ...over,
  };
}

const apart = (app: string): AffinityTerm[] => [rule('AntiAffinity', app)];
const once = (): { caller: string; sequence: number } => ({ caller: CALLER, sequence: (sequence += 1) });

async function callsOn({ name }: VirtualMachineRef): Promise<string[]> {
  const { journal } = await vcenter.calls();
  return journal
    .filter(({ vm, method }) => vm === name && method !== 'SetField')
    .map(({ method, value = '' }) => `${method} ${value}`.trim());
}

describe('where DRS does not place', () => {
  test('G5, VSPHERE-9: VMs that are to be apart get a host each, are moved there and powered on', async () => {
    const vms = [await newVm(HOSTS[0]), await newVm(HOSTS[0]), await newVm(HOSTS[0])];
    await withProcess(async ({ platform, observer, power }) => {
      platform.track(vms);
      const options = once();
      const requests = vms.map((vm) => asks(vm, 'spread', apart('spread')));
      const placed = await platform.place(requests, options);
      expect(placed.map(({ placement }) => placement?.node).sort()).toEqual(HOSTS);
      // One of them stays where it is.
      expect(placed.filter(({ placement }) => placement?.zoneID === 'DC0_C0')).toHaveLength(3);
      for (const vm of vms)
        expect(await power(vm, 'PoweredOn')).toMatchObject({ operation: { phase: 'Done' } });
      expect((await Promise.all(vms.map(({ name }) => vcenter.vm(name)))).map(({ host }) => host)).toEqual(
        placed.map(({ placement }) => placement?.node),
      );
      for (const [at, vm] of vms.entries()) {
        const node = placed[at]?.placement?.node ?? '';
        expect(await callsOn(vm)).toEqual([
          ...(node === HOSTS[0] ? [] : [`RelocateVM_Task ${node}`]),
          'PowerOnVM_Task',
        ]);
        expect(observer.get(vm)?.status.placement).toEqual({ zoneID: 'DC0_C0', node });
      }
    });
  });

  test('TRACKED-1: a VM stays on its host while there is room, and leaves it when there is none', async () => {
    const [first, second] = [await newVm(HOSTS[1]), await newVm(HOSTS[1])];
    await withProcess(async ({ platform }) => {
      platform.track([first, second]);
      const [stays] = await platform.place([asks(first)], once());
      expect(stays?.placement?.node).toBe(HOSTS[1]);
      await vcenter.host(HOSTS[1], { usedMb: 65_000 });
      const [leaves] = await platform.place([asks(second)], once());
      expect(leaves?.placement?.node).not.toBe(HOSTS[1]);
    });
  });

  test('TRACKED-1: where all can stay, nothing is searched, and the outcome of rules is known', async () => {
    const vms = [await newVm(HOSTS[0]), await newVm(HOSTS[1])];
    const solve = (): Promise<never> => Promise.reject(new Error('it searches'));
    const requests = vms.map((vm) => asks(vm, 'two', apart('two')));
    await withProcess(
      async ({ platform }) => {
        platform.track(vms);
        const preview = await platform.preview(requests, {});
        expect(preview).toMatchObject({ type: 'Placed', score: { preferred: { kept: 2, broken: 0 } } });
        expect((preview as Placed).rules.map(({ outcome }) => outcome)).toEqual(['Kept', 'Kept']);
        const placed = await platform.place(requests, once());
        expect(placed.map(({ placement }) => placement?.node)).toEqual([HOSTS[0], HOSTS[1]]);
      },
      { solve },
    );
    const third = await newVm(HOSTS[0]);
    await withProcess(
      async ({ platform }) => {
        platform.track([...vms, third]);
        const beside = requests.map(({ vm, labels = {}, affinity = [] }) => ({ vm, labels, affinity }));
        const crowded = platform.place([asks(third, 'two')], { ...once(), beside });
        await expect(crowded).rejects.toThrow('it searches');
      },
      { solve },
    );
  });

  test('hosts in maintenance, disconnected ones and such without its datastores get no VM', async () => {
    const vm = await newVm(HOSTS[0]);
    await withProcess(async ({ platform, observer, power }) => {
      platform.track([vm]);
      await vcenter.host(HOSTS[0], { maintenance: true });
      await vcenter.host(HOSTS[1], { connection: 'notResponding' });
      let node: string | undefined;
      await until(async () => {
        await platform.release([vm], once());
        const [placed] = await platform.place([asks(vm)], once());
        node = placed?.placement?.node;
        return node === HOSTS[2];
      }, 'the stream to show the hosts');
      // The host that was promised is lost before the power-on: it is placed again.
      await until(() => observer.get(vm)?.status.placement?.node === HOSTS[2]);
      await vcenter.host(HOSTS[2], { maintenance: true });
      await until(() => observer.get(vm)?.status.placement === undefined);
      const nowhere = platform.place([asks(vm)], once());
      await expect(nowhere).rejects.toMatchObject({ failureClass: 'NoCapacity' });
      await vcenter.host(HOSTS[0], { maintenance: false });
      const again = (): Promise<boolean> =>
        platform.place([asks(vm)], once()).then(
          ([placed]) => placed?.placement?.node === HOSTS[0],
          () => false,
        );
      await until(again, 'the stream to show the host');
      await power(vm, 'PoweredOn');
      expect((await vcenter.vm(vm.name)).host).toBe(HOSTS[0]);
    });
  });

  test('no room at all is NoCapacity, and says what is missing; an optional VM is left out', async () => {
    const vms = [await newVm(), await newVm()];
    const [needed, optional] = vms;
    if (!needed || !optional) throw new Error('no VMs');
    for (const host of HOSTS) await vcenter.host(host, { memoryMb: 1_200, usedMb: 500 });
    await withProcess(async ({ platform }) => {
      platform.track(vms);
      const refused = platform.place([asks(needed)], once());
      await expect(refused).rejects.toMatchObject({ failureClass: 'NoCapacity' });
      await expect(refused).rejects.toThrow(/lacks 0\.32 GiB for prod/);
      await vcenter.host(HOSTS[1], { usedMb: 0 });
      const results = await platform.place([asks(needed), { ...asks(optional), optional: true }], once());
      expect(results[0]?.placement?.node).toBe(HOSTS[1]);
      expect(results[1]?.unplaced).toMatch(/lacks .* for prod/);
    });
  });

  test('VSPHERE-8, TRACKED-2: two processes see what each other was promised; a power-off frees it', async () => {
    const [one, two] = [await newVm(HOSTS[0]), await newVm(HOSTS[0])];
    for (const host of HOSTS) await vcenter.host(host, { memoryMb: 1_500 });
    await withProcess(async (first) => {
      await withProcess(async (second) => {
        for (const { platform } of [first, second]) platform.track([one, two]);
        const [promised] = await first.platform.place([asks(one)], once());
        expect(promised?.placement?.node).toBe(HOSTS[0]);
        await until(() => second.observer.get(one)?.status.placement?.node === HOSTS[0]);
        const [other] = await second.platform.place([asks(two)], once());
        expect(other?.placement?.node).not.toBe(HOSTS[0]);
        await second.power(one, 'PoweredOn');
        expect((await vcenter.vm(one.name)).host).toBe(HOSTS[0]);
        await second.power(one, 'PoweredOff');
        await until(() => first.observer.get(one)?.status.placement === undefined);
        expect(await first.platform.release([one], once())).toEqual([one]);
      });
    });
  });

  test.each([1, 2, 3])(
    'TRACKED-3: both have found the last room before either writes: one gets it (%i)',
    async () => {
      const vms = [await newVm(HOSTS[0]), await newVm(HOSTS[0])] as const;
      await vcenter.host(HOSTS[0], { memoryMb: 1_500 });
      for (const host of HOSTS.slice(1)) await vcenter.host(host, { maintenance: true });
      const solve = solveTogether(2);
      const outcome = (platform: VspherePlatform, vm: VirtualMachineRef): Promise<string> =>
        // A preferred rule lets nothing stay unsearched.
        platform
          .place([asks(vm, 'race', [rule('AntiAffinity', 'race', { strength: 'Preferred' })])], once())
          .then(
            () => 'placed',
            (error: unknown) => (error as { failureClass?: string }).failureClass ?? String(error),
          );
      await withProcess(
        async (first) => {
          await withProcess(
            async (second) => {
              for (const { platform } of [first, second]) platform.track(vms);
              const calls = [outcome(first.platform, vms[0]), outcome(second.platform, vms[1])];
              expect((await Promise.all(calls)).sort()).toEqual(['NoCapacity', 'placed']);
            },
            { solve },
          );
        },
        { solve },
      );
    },
  );

  test('VSPHERE-5: places are recorded in extraConfig on request, and released', async () => {
    const vm = await newVm(HOSTS[0]);
    await withProcess(
      async ({ platform, observer }) => {
        platform.track([vm]);
        const [given] = await platform.place([asks(vm)], once());
        expect(given?.placement?.node).toBe(HOSTS[0]);
        await until(() => observer.get(vm)?.status.placement?.node === HOSTS[0]);
        expect(await platform.release([vm], once())).toEqual([vm]);
      },
      { records: 'ExtraConfig' },
    );
  });

  test('VSPHERE-8: a record of a process whose clock is ahead is followed by later ones', async () => {
    const vm = await newVm(HOSTS[0]);
    await withProcess(async (first) => {
      await withProcess(async (second) => {
        for (const { platform } of [first, second]) platform.track([vm]);
        const ahead = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 86_400_000);
        await first.platform.place([asks(vm)], once()).finally(() => ahead.mockRestore());
        await until(() => second.observer.get(vm)?.status.placement?.node === HOSTS[0]);
        expect(await second.platform.release([vm], { caller: CALLER, sequence: (sequence += 1) })).toEqual([
          vm,
        ]);
        await until(() => first.observer.get(vm)?.status.placement === undefined);
      });
    });
  });

  test('a move that the server refuses fails the operation in its words', async () => {
    const [vm, stays] = [await newVm(HOSTS[0]), await newVm(HOSTS[0])];
    await vcenter.behave(vm.name, {
      faults: [{ method: 'RelocateVM_Task', type: 'DisallowedMigrationDeviceAttached' }],
    });
    await withProcess(async ({ platform, power }) => {
      platform.track([vm, stays]);
      await power(stays, 'PoweredOn');
      const beside = [{ vm: stays, labels: { app: 'other' } }];
      const [placed] = await platform.place([asks(vm, 'x', apart('other'))], { ...once(), beside });
      expect(placed?.placement?.node).not.toBe(HOSTS[0]);
      const failed = await power(vm, 'PoweredOn');
      expect(failed.operation?.failure?.message).toMatch(/DisallowedMigrationDeviceAttached/);
      expect(await vcenter.vm(vm.name)).toMatchObject({ power: 'poweredOff', host: HOSTS[0] });
    });
  });

  test('manual DRS leaves places to the solver; a preview gives what a call would, and writes nothing', async () => {
    const vms = [await newVm(HOSTS[0]), await newVm(HOSTS[0])];
    await vcenter.drs('manual');
    await withProcess(async ({ platform }) => {
      platform.track(vms);
      const before = (await vcenter.calls()).counts['SetField'] ?? 0;
      const requests = vms.map((vm) => asks(vm, 'pair', apart('pair')));
      const preview = await platform.preview(requests, {});
      expect((await vcenter.calls()).counts['SetField'] ?? 0).toBe(before);
      const placed = await platform.place(requests, once());
      if (preview.type !== 'Placed') throw new Error(preview.message);
      expect(preview.placements.map(({ placement }) => placement)).toEqual(
        placed.map(({ placement }) => placement),
      );
      expect(preview.rules.map(({ path, outcome }) => [path, outcome])).toEqual([
        ['spec.affinity.pair', 'Kept'],
        ['spec.affinity.pair', 'Kept'],
      ]);
    });
  });
});

describe('where DRS places', () => {
  const drsRules = { drsRules: true };

  test('DRS-1, DRS-3: it gets rules of ours for required affinity, which follow the affinity and end with the power', async () => {
    const [a, b, c, db] = [await newVm(), await newVm(), await newVm(), await newVm()];
    const vms = [a, b, c, db];
    await vcenter.drs('fullyAutomated');
    await withProcess(async ({ platform, power }) => {
      platform.track(vms);
      const web = (vm: VirtualMachineRef): PlacementRequest => asks(vm, 'web', apart('web'));
      const near = asks(db, 'db', [rule('Affinity', 'db'), rule('Affinity', 'cache')]);
      const results = await platform.place(
        [web(a), web(b), { ...web(c), labels: { app: 'web', more: 'x' } }, near],
        once(),
      );
      expect(results.map(({ placement }) => placement)).toEqual(
        vms.map(() => ({ zoneID: 'DC0_C0', node: expect.any(String) as string })),
      );
      const rules = await vcenter.rules();
      expect(Object.values(rules)).toEqual([[a.name, b.name, c.name]]);
      expect(Object.keys(rules)[0]).toMatch(/^vmgroup\/prod\/shop [0-9a-f]{8} apart [0-9a-f]{8}$/);
      for (const vm of vms) await power(vm, 'PoweredOn');

      // Another affinity: other rules.
      await platform.place([web(a), web(b), asks(c, 'cache'), near], once());
      expect(Object.values(await vcenter.rules()).map((names) => names.sort())).toEqual(
        expect.arrayContaining([
          [a.name, b.name],
          [c.name, db.name],
        ]),
      );
      expect(Object.keys(await vcenter.rules())).toHaveLength(2);

      // The same again: nothing is written.
      const before = (await vcenter.calls()).counts['ReconfigureComputeResource_Task'];
      await platform.place([web(a), web(b), asks(c, 'cache'), near], once());
      expect((await vcenter.calls()).counts['ReconfigureComputeResource_Task']).toBe(before);

      for (const vm of vms) await power(vm, 'PoweredOff');
      await until(async () => Object.keys(await vcenter.rules()).length === 0, 'the rules to be gone');
    }, drsRules);
  });

  test('DRS-2: what DRS cannot keep is noted', async () => {
    const vms = [await newVm(), await newVm()];
    const [one, two] = vms;
    if (!one || !two) throw new Error('no VMs');
    await vcenter.drs('fullyAutomated');
    await withProcess(async ({ platform }) => {
      platform.track(vms);
      const affinity = [
        rule('AntiAffinity', 'b', { strength: 'Preferred', path: 'p' }),
        rule('AntiAffinity', 'b', { topologyKey: 'topology.kubernetes.io/zone', path: 'z' }),
        rule('AntiAffinity', 'b', { path: 'r' }),
        rule('Affinity', 'b', { path: 'c' }),
      ];
      const [result] = await platform.place([asks(one, 'a', affinity), asks(two, 'b')], once());
      const { note } = result as { note?: string };
      expect(note?.split('; ')).toEqual([
        'DRS of DC0_C0 places it at power-on',
        'p: DRS has no preferred rules between VMs',
        'z: DRS keeps no rules over zones',
        'c: it contradicts an anti-affinity',
      ]);
      expect(Object.values(await vcenter.rules())).toEqual([[one.name, two.name]]);
      expect(await platform.release([one, two], once())).toEqual([one, two]);
      await until(async () => Object.keys(await vcenter.rules()).length === 0, 'the rules to be gone');
    }, drsRules);
  });

  test('DRS-3: a group that is gone leaves no rule, and rules of others stay', async () => {
    const vms = [await newVm(), await newVm()];
    await vcenter.drs('fullyAutomated');
    await withProcess(async ({ platform }) => {
      platform.track(vms);
      const requests = vms.map((vm) => asks(vm, 'web', apart('web')));
      await platform.place(requests, once());
      await platform.place(requests, { ...once(), caller: 'vmgroup/prod/shop-2' });
      await until(async () => {
        await platform.forget(CALLER);
        return Object.keys(await vcenter.rules()).length === 1;
      }, 'the rule to be gone');
      expect(Object.keys(await vcenter.rules())[0]).toMatch(/^vmgroup\/prod\/shop-2 /);
      await until(async () => {
        await platform.forget('vmgroup/prod/shop-2');
        return Object.keys(await vcenter.rules()).length === 0;
      });
    }, drsRules);
  });

  test('without drsRules no rule is made, and a VM has its place', async () => {
    const vms = [await newVm(), await newVm()];
    await vcenter.drs('fullyAutomated');
    await withProcess(async ({ platform, observer }) => {
      platform.track(vms);
      for (const vm of vms) await until(() => observer.get(vm)?.status.placement?.zoneID === 'DC0_C0');
      await platform.place(
        vms.map((vm) => asks(vm, 'web', apart('web'))),
        once(),
      );
      expect(await vcenter.rules()).toEqual({});
    });
  });
});
