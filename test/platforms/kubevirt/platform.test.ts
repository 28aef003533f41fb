/**
 * The platform `kubevirt` on a real API server with the stand-in for KubeVirt: run strategies, and what goes wrong on the way.
 *
 * Guarantees: G1, G5, G8.
 */
import type { PowerState } from '../../../api';
import type { VirtualMachineRef } from '../../../contract';
import { RESOURCES, resourceCache } from '../../../kubernetes';
import { Observer, type PowerRequest, type VirtualMachineState } from '../../../platforms';
import { KubevirtPlatform, trimMachine } from '../../../platforms/kubevirt';
import { FAULT, SHUTDOWN_TIME, START_TIME } from '../../../simulator';
import { refusalOf } from '../conformance/bench';
import { Kubevirt, type NewMachine } from '../../support/kubevirt';
import { until } from '../../support/until';

let kubevirt: Kubevirt;
let process: { platform: KubevirtPlatform; observer: Observer; close: () => Promise<void> };
beforeAll(async () => {
  kubevirt = await Kubevirt.start({ times: { start: 60, shutdown: 40, backOff: 1 } });
  process = open();
}, 180_000);
afterAll(async () => {
  await process.close();
  await kubevirt.stop();
});

/** One process; `byName`: manifests name VMs. */
function open(byName = false): typeof process {
  const { api } = kubevirt;
  const machines = resourceCache({ api, resource: RESOURCES.kubevirtMachines, trim: trimMachine });
  const platform = new KubevirtPlatform({ api, machines, byName, patience: 1_000 });
  const observer = new Observer(platform);
  const close = async (): Promise<void> => {
    await observer.close();
    await platform.close();
    await machines.stop();
  };
  return { platform, observer, close };
}

let names = 0;
const vm = (machine?: NewMachine): Promise<VirtualMachineRef> => kubevirt.vm(`vm-${(names += 1)}`, machine);

let operations = 0;
function request(
  ref: VirtualMachineRef,
  powerState: PowerState,
  over: Partial<PowerRequest> = {},
): PowerRequest {
  operations += 1;
  const operation = { id: `op-${operations}`, sequence: operations };
  return {
    vm: ref,
    operation,
    powerState,
    guestShutdownTimeout: 5_000,
    caller: 'vmgroup/prod/shop',
    ...over,
  };
}

/** Waits for a state of a VM. */
function untilState(
  ref: VirtualMachineRef,
  holds: (state: VirtualMachineState) => boolean,
  observer = process.observer,
): Promise<VirtualMachineState> {
  return observer.until(ref, holds, AbortSignal.timeout(30_000));
}

/** Asks for a power state, and waits until it is done. */
async function bring(
  ref: VirtualMachineRef,
  powerState: PowerState,
  over: Partial<PowerRequest> = {},
): Promise<void> {
  const asked = request(ref, powerState, over);
  await process.platform.power(asked);
  await untilState(
    ref,
    ({ operation }) => operation?.id === asked.operation.id && operation.phase === 'Done',
  );
}

const strategy = async (ref: VirtualMachineRef): Promise<unknown> => {
  const { runStrategy, running } = (await kubevirt.machine(ref)).spec;
  return runStrategy ?? running;
};

test.each([
  ['Always', { runStrategy: 'Always' }, 'Always'],
  ['Once', { runStrategy: 'Once' }, 'Once'],
  ['Manual', { runStrategy: 'Manual' }, 'Manual'],
  ['RerunOnFailure', { runStrategy: 'RerunOnFailure' }, 'RerunOnFailure'],
  ['the older form', { running: true }, true],
])(
  'KUBEVIRT-4: %s: a VM goes off, and on again with the strategy that it had',
  async (_name, machine, kept) => {
    const ref = await vm(machine);
    await bring(ref, 'PoweredOn');
    await bring(ref, 'PoweredOff');
    await kubevirt.untilPhase(ref, undefined);
    await bring(ref, 'PoweredOn');
    expect(await strategy(ref)).toBe(kept);
    await bring(ref, 'PoweredOff', { mode: 'Hard' });
  },
);

test.each(['Always', 'Manual', 'RerunOnFailure', 'Once'])(
  '%s: a power-on is turned into a power-off while the VM starts, and back while it stops',
  async (runStrategy) => {
    const annotations = { [START_TIME]: '600', [SHUTDOWN_TIME]: '600' };
    const ref = await vm({ runStrategy: 'Halted', annotations });
    await kubevirt.merge(ref, { spec: { runStrategy } });
    await process.platform.power(request(ref, 'PoweredOn'));
    await until(async () => (await kubevirt.instance(ref)) !== undefined);
    await bring(ref, 'PoweredOff');
    await bring(ref, 'PoweredOn');
    const first = (await kubevirt.instance(ref))?.metadata.uid;
    await process.platform.power(request(ref, 'PoweredOff'));
    await until(async () => (await kubevirt.instance(ref))?.metadata.deletionTimestamp !== undefined);
    await bring(ref, 'PoweredOn');
    const second = await kubevirt.instance(ref);
    expect(second?.metadata.uid).not.toBe(first);
    expect(second?.status.phase).toBe('Running');
    expect(await strategy(ref)).toBe(runStrategy);
  },
);

test('KUBEVIRT-3: a restart that a user asked for does not undo a power-off', async () => {
  const ref = await vm({ runStrategy: 'Always', annotations: { [SHUTDOWN_TIME]: '400' } });
  await bring(ref, 'PoweredOn');
  await kubevirt.act(ref, 'restart');
  await bring(ref, 'PoweredOff');
  expect(await strategy(ref)).toBe('Halted');
  const { status } = await kubevirt.machine(ref);
  expect(status.stateChangeRequests?.map(({ action }) => action)).not.toContain('Start');
  await kubevirt.untilPhase(ref, undefined);
});

test('KUBEVIRT-9: a start waits until KubeVirt itself has noted that the instance is gone', async () => {
  const ref = await vm({ runStrategy: 'Manual' });
  await bring(ref, 'PoweredOn');
  await kubevirt.stopController();
  const [off, on] = [request(ref, 'PoweredOff'), request(ref, 'PoweredOn')];
  try {
    await process.platform.power(off);
    const { metadata } = (await kubevirt.instance(ref)) as { metadata: { uid?: string } };
    await kubevirt.api.merge(RESOURCES.kubevirtInstances, ref, { metadata: { finalizers: [] } });
    await kubevirt.api.delete(RESOURCES.kubevirtInstances, { ...ref, uid: metadata.uid ?? '' });
    await untilState(ref, ({ status }) => status.powerState === 'PoweredOff');
    await process.platform.power(on);
    await untilState(ref, ({ operation }) => operation?.hold?.includes('takes a start after that') ?? false);
    const { status } = await kubevirt.machine(ref);
    expect(status.stateChangeRequests?.map(({ action }) => action)).toEqual(['Stop']);
  } finally {
    kubevirt.startController();
  }
  await untilState(ref, ({ operation }) => operation?.id === on.operation.id && operation.phase === 'Done');
});

test('KUBEVIRT-7: a strategy that a user writes during a power-off fails the operation, and another one is made', async () => {
  const ref = await vm({ runStrategy: 'Always', annotations: { [SHUTDOWN_TIME]: '1500' } });
  await bring(ref, 'PoweredOn');
  const off = request(ref, 'PoweredOff');
  await process.platform.power(off);
  await kubevirt.merge(ref, { spec: { runStrategy: 'Always' } });
  const { operation } = await untilState(ref, (state) => state.operation?.phase === 'Failed');
  expect(operation).toMatchObject({ id: off.operation.id, failure: { class: 'Transient' } });
  expect(operation?.failure?.message).toContain('runStrategy was set to Always by another client');
  await bring(ref, 'PoweredOff', { mode: 'Hard' });
});

test('KUBEVIRT-6: a VM whose node is lost is held, neither on nor off', async () => {
  const ref = await vm({ runStrategy: 'Always' });
  await bring(ref, 'PoweredOn');
  const { nodeName } = (await kubevirt.instance(ref))?.status ?? {};
  await kubevirt.node(nodeName as 'node-a', 'Unknown');
  try {
    const lost = await untilState(ref, ({ operation }) => operation?.hold !== undefined);
    expect(lost).toMatchObject({ status: { powerState: 'PoweredOn', ready: false } });
    expect(lost.operation).toMatchObject({ phase: 'InProgress', holdClass: 'Transient' });
    expect(lost.operation?.hold).toContain(`node ${nodeName} is not ready`);
    await process.platform.power(request(ref, 'PoweredOff', { mode: 'Hard' }));
    const stopping = await untilState(ref, ({ operation }) => operation?.id === `op-${operations}`);
    expect(stopping).toMatchObject({
      status: { powerState: 'PoweredOn' },
      operation: { phase: 'InProgress' },
    });
  } finally {
    await kubevirt.node(nodeName as 'node-a', 'True');
  }
  await untilState(ref, ({ operation }) => operation?.phase === 'Done');
});

test.each([
  ['Unschedulable', 'NoCapacity', /PodScheduled: Unschedulable: 0\/2 nodes are available/],
  ['MissingPvc', 'Transient', /PVC prod\/absent does not exist/],
  ['ImagePull', 'Transient', /Back-off pulling image/],
  ['Crash', 'Transient', /CrashLoopBackOff.*tries again at/],
])('%s: what KubeVirt waits for is a hold of class %s', async (fault, holdClass, words) => {
  const ref = await vm({ annotations: { [FAULT]: fault } });
  const on = request(ref, 'PoweredOn');
  await process.platform.power(on);
  const { operation } = await untilState(ref, (state) => words.test(state.operation?.hold ?? ''));
  expect(operation).toMatchObject({ id: on.operation.id, phase: 'InProgress', holdClass });
  await kubevirt.annotate(ref, { [FAULT]: null });
  await untilState(ref, (state) => state.operation?.phase === 'Done');
});

test('a Once VM that has ended, and one that waits for a migration, are refused', async () => {
  const once = await vm({ runStrategy: 'Once' });
  await bring(once, 'PoweredOn');
  await kubevirt.api.merge(RESOURCES.kubevirtInstances, once, { status: { phase: 'Succeeded' } });
  await untilState(once, ({ status }) => status.powerState === 'PoweredOff');
  expect(await refusalOf(process.platform.power(request(once, 'PoweredOn')))).toMatchObject({
    failureClass: 'Permanent',
  });
  const receiver = await vm({ runStrategy: 'WaitAsReceiver' });
  const refusal = await refusalOf(process.platform.power(request(receiver, 'PoweredOff')));
  expect(refusal.message).toContain('WaitAsReceiver');
});

test('virt-api is away: an action fails Transient, and the operation is carried through once it is back', async () => {
  const ref = await vm({ runStrategy: 'Manual', annotations: { [FAULT]: 'SubresourceUnavailable' } });
  const on = request(ref, 'PoweredOn');
  expect(await refusalOf(process.platform.power(on))).toMatchObject({ failureClass: 'Transient' });
  await kubevirt.annotate(ref, { [FAULT]: null });
  await process.platform.power(on);
  await untilState(ref, ({ operation }) => operation?.id === on.operation.id && operation.phase === 'Done');
});

test('KUBEVIRT-11: an operation whose action virt-api does not take has failed at once, with its words', async () => {
  const annotations = { [FAULT]: 'SubresourceUnavailable' };
  const ref = await vm({ runStrategy: 'Manual', annotations });
  const on = request(ref, 'PoweredOn');
  const refusal = await refusalOf(process.platform.power(on));
  const { operation } = await untilState(ref, (state) => state.operation?.phase === 'Failed');
  expect(operation).toMatchObject({ id: on.operation.id, failure: { message: refusal.message } });
  expect(process.observer.get(ref)?.status.powerState).toBe('PoweredOff');
});

test('KUBEVIRT-7, G1: an operation whose process ended before its action fails in the eyes of the others, and the next one is carried through', async () => {
  const ref = await vm({ runStrategy: 'Manual', annotations: { [FAULT]: 'SubresourceUnavailable' } });
  const on = request(ref, 'PoweredOn');
  const dead = open();
  await refusalOf(dead.platform.power(on));
  await dead.close();
  await kubevirt.annotate(ref, { [FAULT]: null });
  const { operation } = await untilState(ref, (state) => state.operation?.phase === 'Failed');
  expect(operation).toMatchObject({ id: on.operation.id, failure: { class: 'Transient' } });
  await bring(ref, 'PoweredOn');
});

test('KUBEVIRT-1: conditions that a stopped VM still has do not count', async () => {
  const ref = await vm({ runStrategy: 'Always' });
  await bring(ref, 'PoweredOn');
  await bring(ref, 'Suspended');
  await bring(ref, 'PoweredOff');
  expect(
    (await kubevirt.machine(ref)).status.conditions?.some(
      ({ type, status }) => type === 'Paused' && status === 'True',
    ),
  ).toBe(true);
  expect(process.observer.get(ref)?.status).toMatchObject({ powerState: 'PoweredOff' });
  expect(process.observer.get(ref)?.status.ready).toBeUndefined();
});

test('manifests of elsewhere name VMs, by their own name or by path:', async () => {
  const ref = await vm();
  const named = open(true);
  const manifest = {
    namespace: 'web',
    name: 'front',
    uid: 'of-a-manifest',
    locator: `path:prod/${ref.name}`,
  } as const;
  try {
    named.platform.track?.([manifest]);
    await untilState(manifest, ({ status }) => status.powerState === 'PoweredOff', named.observer);
    await named.platform.power(request(manifest, 'PoweredOn'));
    await untilState(manifest, ({ status }) => status.powerState === 'PoweredOn', named.observer);
    expect(named.observer.list().map((state) => state.vm)).toEqual([manifest]);
    const wrong = { ...manifest, locator: 'uuid:00000000-0000-0000-0000-000000000000' } as const;
    expect((await refusalOf(named.platform.power(request(wrong, 'PoweredOn')))).message).toContain(
      'path:NAMESPACE/NAME',
    );
    const other = { ...manifest, name: 'other', uid: 'of-another' };
    expect(named.observer.isKnown(manifest)).toBe(true);
    // Neither is reported, and neither is off for that.
    expect([wrong, other].map((each) => named.observer.isKnown({ ...each, uid: 'x' }))).toEqual([
      false,
      false,
    ]);
    expect(named.observer.isKnown({ namespace: 'prod', name: 'nothing', uid: 'x' })).toBe(true);
  } finally {
    await named.close();
  }
});
