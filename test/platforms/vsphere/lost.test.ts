/**
 * What is done and said while something is lost: the host of a VM, the configuration of a VM, the stream of changes. On a simulated vCenter.
 *
 * Guarantees: G8.
 */
import type { PowerState } from '../../../api';
import type { VirtualMachineRef } from '../../../contract';
import { Observer, type PowerRequest, type VirtualMachineState } from '../../../platforms';
import { VspherePlatform } from '../../../platforms/vsphere';
import { startHttpFaultProxy, type HttpFaultProxy } from '../../support/http-fault-proxy';
import { until } from '../../support/until';
import { startVcenter, type TestVcenter } from '../../support/vsphere';

let vcenter: TestVcenter;
let proxy: HttpFaultProxy;
let platform: VspherePlatform;
let observer: Observer;

beforeAll(async () => {
  vcenter = await startVcenter();
  await vcenter.drs('off');
  proxy = await startHttpFaultProxy({
    target: vcenter.address.replace(/\/sdk$/, ''),
    readBodies: true,
    tls: vcenter.tls,
    describe: (_message, body) => ({ resource: '', watch: body.includes('<WaitForUpdatesEx') }),
  });
});
beforeEach(async () => {
  platform = new VspherePlatform({
    address: `${proxy.address}/sdk`,
    trust: { ca: vcenter.authority.certificate },
    credentials: async () => ({ user: vcenter.user, password: vcenter.password }),
  });
  observer = new Observer(platform);
  await observer.synced();
});
afterEach(async () => {
  proxy.heal();
  await observer.close();
  await platform.close();
});
afterAll(async () => {
  await proxy?.close();
  await vcenter?.stop();
});

let counter = 0;
async function newVm(): Promise<VirtualMachineRef> {
  counter += 1;
  const name = `vm-${counter}`;
  const uuid = await vcenter.create({ name });
  const vm = { namespace: 'prod', name, uid: `uid-${counter}`, locator: `uuid:${uuid}` as const };
  platform.track([vm]);
  return vm;
}

/** A new VM that the platform has seen. */
async function knownVm(): Promise<VirtualMachineRef> {
  const vm = await newVm();
  await until(() => observer.get(vm) !== undefined);
  return vm;
}

function request(
  vm: VirtualMachineRef,
  powerState: PowerState,
  over: Partial<PowerRequest> = {},
): PowerRequest {
  counter += 1;
  const operation = { id: `op-${counter}`, sequence: counter };
  return { vm, operation, powerState, guestShutdownTimeout: 300, caller: 'vmgroup/prod/shop', ...over };
}

const seen = (
  vm: VirtualMachineRef,
  holds: (state: VirtualMachineState) => boolean,
): Promise<VirtualMachineState> => observer.until(vm, holds, AbortSignal.timeout(30_000));
const isDone = ({ operation }: VirtualMachineState): boolean => operation?.phase === 'Done';
const outcome = (call: Promise<unknown>): Promise<unknown> => call.catch((error: unknown) => error);

test.each(['Soft', 'TrySoft'] as const)(
  'PLATFORM-3: a power-off in mode %s does not touch a VM whose state is not known',
  async (mode) => {
    const vm = await knownVm();
    await vcenter.behave(vm.name, { noTools: true });
    await platform.power(request(vm, 'PoweredOn'));
    await seen(vm, isDone);
    if (mode === 'TrySoft') await vcenter.behave(vm.name, { deaf: true });
    if (mode === 'TrySoft') await vcenter.act(vm.name, 'guest.toolsRunningStatus', 'guestToolsRunning');
    const off = request(vm, 'PoweredOff', { mode, guestShutdownTimeout: 1_500 });
    await platform.power(off);
    await vcenter.act(vm.name, 'runtime.connectionState', 'disconnected');
    const held = await seen(vm, ({ operation }) => operation?.hold?.includes('disconnected') === true);
    expect(held.operation).toMatchObject({ id: off.operation.id, phase: 'InProgress' });
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    const methods = async (): Promise<string[]> =>
      (await vcenter.calls()).journal.filter((call) => call.vm === vm.name).map(({ method }) => method);
    expect(await methods()).not.toContain('PowerOffVM_Task');
    await vcenter.act(vm.name, 'runtime.connectionState', 'connected');
    if (mode === 'TrySoft') await seen(vm, ({ status }) => status.powerState === 'PoweredOff');
    else await seen(vm, ({ operation }) => operation?.hold?.includes('VMware Tools') === true);
  },
);

test('PLATFORM-3: while changes do not arrive, a VM that is not known is neither off nor gone', async () => {
  proxy.decide(({ watch }) => (watch ? 'cut' : undefined));
  proxy.cutAll();
  await until(() => !observer.live);
  const vm = await newVm();
  await vcenter.act(vm.name, 'poweredOn');
  const place = (): Promise<unknown> =>
    platform.place([{ vm, cpus: 1, memory: 1 }], { caller: 'vmgroup/prod/shop', sequence: 1 });
  const calls = [
    () => platform.power(request(vm, 'PoweredOff')),
    () => platform.power(request(vm, 'PoweredOn')),
    () => platform.read(vm),
    place,
  ];
  for (const call of calls) expect(await outcome(call())).toMatchObject({ failureClass: 'Transient' });
  proxy.heal();
  await until(() => observer.live);
  expect(await platform.read(vm)).toMatchObject({ status: { powerState: 'PoweredOn' } });
  expect(await place()).toMatchObject([{ placement: {} }]);
});
