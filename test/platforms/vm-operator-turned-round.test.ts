/**
 * The platform `vm-operator` as time passes: VMs that are turned round, also while the clock of the process is set.
 *
 * Guarantees: G4.
 */
import type { ApiServer, VirtualMachineObject } from '../../kubernetes';
import type { VirtualMachineState } from '../../platforms';
import { VmOperatorPlatform } from '../../platforms/vm-operator';
import { ScriptedCache } from './on-kubernetes/scripted-cache';

const DAY = 86_400_000;
const key = 'prod/db';
const vm = { namespace: 'prod', name: 'db', uid: 'u' };

let platform: VmOperatorPlatform;
let cache: ScriptedCache<VirtualMachineObject>;
/** The phase of the operation on the VM, as it was last reported. */
let phase: () => string | undefined;

beforeEach(async () => {
  jest.useFakeTimers();
  cache = new ScriptedCache();
  // It is on, and on its way off.
  cache.put(key, {
    metadata: { ...vm, resourceVersion: '1' },
    spec: { powerState: 'PoweredOff' },
    status: { powerState: 'PoweredOn', uniqueID: 'id' },
  });
  const merge = (_resource: unknown, _key: unknown, patch: VirtualMachineObject): Promise<unknown> => {
    const { metadata, spec, status } = cache.cache.get(key) as VirtualMachineObject;
    const { annotations } = patch.metadata;
    const resourceVersion = String(Number(metadata.resourceVersion) + 1);
    const written = { ...metadata, ...(annotations && { annotations }), resourceVersion };
    cache.put(key, { metadata: written, spec: { ...spec, ...patch.spec }, status });
    return Promise.resolve(cache.cache.get(key));
  };
  const api = { merge } as unknown as ApiServer;
  platform = new VmOperatorPlatform({ api, machines: cache.cache, watchOnly: true });
  let last: VirtualMachineState | undefined;
  phase = () => last?.operation?.phase;
  const synced = new Promise<void>((resolve) => {
    const sink = {
      changed: (state: VirtualMachineState) => void (last = state),
      deleted: () => undefined,
      synced: resolve,
    };
    void platform.watch(sink, new AbortController().signal);
  });
  await synced;
});
afterEach(async () => {
  await platform.close();
  jest.useRealTimers();
});

async function powerOn(id = 'op'): Promise<string | undefined> {
  const { operation } = await platform.power({
    vm,
    powerState: 'PoweredOn',
    guestShutdownTimeout: 1_000,
    caller: 'vmgroup/prod/shop',
    operation: { id, sequence: 1 },
  });
  return operation?.phase;
}

test('OBSERVATION-1: an operation that repeats one that has just turned a VM round is not done before it', async () => {
  expect(await powerOn()).toBe('InProgress');
  jest.advanceTimersByTime(4_000);
  expect(await powerOn('op~2')).toBe('InProgress');
  jest.advanceTimersByTime(2_000);
  expect(phase()).toBe('Done');
  expect(await powerOn('op~3')).toBe('Done');
});

test('OBSERVATION-1: a VM that is turned round after the clock was set back is not there before VM Operator had its time', async () => {
  jest.setSystemTime(Date.now() - DAY);
  expect(await powerOn()).toBe('InProgress');
  jest.advanceTimersByTime(4_000);
  expect(phase()).toBe('InProgress');
  jest.advanceTimersByTime(2_000);
  expect(phase()).toBe('Done');
});

test('OBSERVATION-1: a clock that is set back does not keep an operation from being done', async () => {
  expect(await powerOn()).toBe('InProgress');
  jest.setSystemTime(Date.now() - DAY);
  jest.advanceTimersByTime(6_000);
  expect(phase()).toBe('Done');
});
