/**
 * The stand-in for KubeVirt on a real API server, its traps included.
 *
 * KUBEVIRT-STANDIN-1 to KUBEVIRT-STANDIN-7: what KubeVirt's own controllers and virt-api were seen to do, or have in their source.
 */
import { RESOURCES } from '../../kubernetes';
import { FAULT, SHUTDOWN_TIME, START_TIME } from '../../simulator';
import { Kubevirt } from '../support/kubevirt';
import { until } from '../support/until';

let kubevirt: Kubevirt;
beforeAll(async () => {
  kubevirt = await Kubevirt.start({ times: { start: 90, shutdown: 50, backOff: 1 } });
}, 180_000);
afterAll(() => kubevirt.stop());

let names = 0;
const name = (): string => `vm-${(names += 1)}`;
const printed = async (vm: { namespace: string; name: string }): Promise<string | undefined> =>
  (await kubevirt.machine(vm)).status.printableStatus;
const isPrinted = (vm: { namespace: string; name: string }, status: string): Promise<unknown> =>
  until(async () => (await printed(vm)) === status, `${vm.name} to be ${status}`);
/** Waits until a VM is off, and its stop is carried out: it is printed as stopped before, once its instance is final. */
const isOff = (vm: { namespace: string; name: string }): Promise<unknown> =>
  until(async () => {
    const { printableStatus, created, stateChangeRequests = [] } = (await kubevirt.machine(vm)).status;
    return printableStatus === 'Stopped' && created === undefined && stateChangeRequests.length === 0;
  }, `${vm.name} to be off`);
const strategy = async (vm: { namespace: string; name: string }): Promise<string | undefined> =>
  (await kubevirt.machine(vm)).spec.runStrategy;

describe('KUBEVIRT-STANDIN-1: what each strategy keeps', () => {
  test('Always boots again after the guest has powered itself off; Halted deletes the instance', async () => {
    const vm = await kubevirt.vm(name(), { runStrategy: 'Always' });
    await isPrinted(vm, 'Running');
    const { uid } = (await kubevirt.instance(vm))?.metadata ?? {};
    const ended = { metadata: {}, status: { phase: 'Succeeded' } };
    await kubevirt.api.merge(RESOURCES.kubevirtInstances, vm, ended);
    await until(async () => {
      const next = await kubevirt.instance(vm);
      return next?.metadata.uid !== uid && next?.status.phase === 'Running';
    });
    await kubevirt.merge(vm, { spec: { runStrategy: 'Halted' } });
    await kubevirt.untilPhase(vm, undefined);
    await isOff(vm);
    const { status } = await kubevirt.machine(vm);
    expect(status).toMatchObject({ runStrategy: 'Halted', printableStatus: 'Stopped' });
    expect(status.ready).toBeUndefined();
  });

  test('Manual waits for requests, and answers 409 to those that do nothing', async () => {
    const vm = await kubevirt.vm(name(), { runStrategy: 'Manual' });
    await isPrinted(vm, 'Stopped');
    await expect(kubevirt.act(vm, 'stop')).rejects.toThrow('VM is not running');
    await kubevirt.act(vm, 'start');
    await isPrinted(vm, 'Running');
    await expect(kubevirt.act(vm, 'start')).rejects.toThrow('VM is already running');
    await until(async () => (await kubevirt.machine(vm)).status.stateChangeRequests?.length === 0);
    await kubevirt.act(vm, 'stop');
    await isOff(vm);
    expect(await strategy(vm)).toBe('Manual');
  });

  test('RerunOnFailure starts when it comes from another strategy, stays off after a stop, and starts again after a failure', async () => {
    const vm = await kubevirt.vm(name(), { spec: { terminationGracePeriodSeconds: 1 } });
    await isPrinted(vm, 'Stopped');
    await kubevirt.merge(vm, { spec: { runStrategy: 'RerunOnFailure' } });
    await isPrinted(vm, 'Running');
    await kubevirt.act(vm, 'stop');
    await isOff(vm);
    await kubevirt.act(vm, 'start');
    await isPrinted(vm, 'Running');
    const { uid } = (await kubevirt.instance(vm))?.metadata ?? {};
    await kubevirt.annotate(vm, { [FAULT]: 'DeafGuest' });
    await kubevirt.act(vm, 'stop');
    await until(async () => {
      const next = await kubevirt.instance(vm);
      return next && next.metadata.uid !== uid && next.status.phase === 'Running';
    }, 'the VM that was killed to start again');
  });

  test('Once starts once; the older form of a strategy is written as it stands there', async () => {
    const once = await kubevirt.vm(name(), { runStrategy: 'Once' });
    await isPrinted(once, 'Running');
    await expect(kubevirt.act(once, 'start')).rejects.toThrow('VM is already running');
    const older = await kubevirt.vm(name(), { running: false });
    await isPrinted(older, 'Stopped');
    await kubevirt.act(older, 'start');
    await isPrinted(older, 'Running');
    expect((await kubevirt.machine(older)).spec).toMatchObject({ running: true });
    await kubevirt.act(older, 'stop');
    await isOff(older);
  });
});

test('a restart that is pending undoes a power-off', async () => {
  const vm = await kubevirt.vm(name(), { runStrategy: 'Always', annotations: { [SHUTDOWN_TIME]: '400' } });
  await isPrinted(vm, 'Running');
  await kubevirt.act(vm, 'restart');
  await kubevirt.merge(vm, { spec: { runStrategy: 'Halted' } });
  await until(async () => (await strategy(vm)) === 'Always', 'the power-off to be undone');
  await kubevirt.untilPhase(vm, 'Running');
});

test('requests that are removed from the status are not carried out', async () => {
  const vm = await kubevirt.vm(name(), { runStrategy: 'Always', annotations: { [SHUTDOWN_TIME]: '400' } });
  await isPrinted(vm, 'Running');
  await kubevirt.act(vm, 'restart');
  await kubevirt.api.merge(
    RESOURCES.kubevirtMachines,
    vm,
    { status: { stateChangeRequests: null } },
    { subresource: 'status' },
  );
  await kubevirt.merge(vm, { spec: { runStrategy: 'Halted' } });
  await isPrinted(vm, 'Stopped');
  await kubevirt.untilPhase(vm, undefined);
  expect(await strategy(vm)).toBe('Halted');
});

test('KUBEVIRT-STANDIN-5: conditions of a stopped VM are stale', async () => {
  const vm = await kubevirt.vm(name(), { runStrategy: 'Always' });
  await isPrinted(vm, 'Running');
  await kubevirt.act(vm, 'pause');
  await isPrinted(vm, 'Paused');
  await kubevirt.act(vm, 'stop', { gracePeriod: 0 });
  await isPrinted(vm, 'Stopped');
  const { conditions } = (await kubevirt.machine(vm)).status;
  const isTrue = conditions?.filter(({ status }) => status === 'True').map(({ type }) => type);
  expect(isTrue).toEqual(expect.arrayContaining(['AgentConnected', 'Paused']));
});

test('KUBEVIRT-STANDIN-7: stop with a shorter grace period kills a VM that is stopping; start is refused until it has stopped', async () => {
  const vm = await kubevirt.vm(name(), { runStrategy: 'Always', annotations: { [FAULT]: 'DeafGuest' } });
  await isPrinted(vm, 'Running');
  await kubevirt.merge(vm, { spec: { runStrategy: 'Halted' } });
  await isPrinted(vm, 'Stopping');
  await expect(kubevirt.act(vm, 'start')).rejects.toThrow('VM is already running');
  await expect(kubevirt.act(vm, 'stop')).rejects.toThrow('shorter graceperiod');
  await kubevirt.act(vm, 'stop', { gracePeriod: 0 });
  await isPrinted(vm, 'Stopped');
});

test('KUBEVIRT-STANDIN-6: a VM that never gets to run backs off, longer each time', async () => {
  const vm = await kubevirt.vm(name(), { runStrategy: 'Always', annotations: { [FAULT]: 'Crash' } });
  await until(async () => ((await kubevirt.machine(vm)).status.startFailure?.consecutiveFailCount ?? 0) >= 2);
  await isPrinted(vm, 'CrashLoopBackOff');
  await kubevirt.annotate(vm, { [FAULT]: null });
  await isPrinted(vm, 'Running');
  await until(async () => (await kubevirt.machine(vm)).status.startFailure === undefined);
});

test.each([
  ['Unschedulable', 'ErrorUnschedulable', /0\/2 nodes are available/],
  ['MissingPvc', 'ErrorPvcNotFound', /PVC prod\/absent does not exist/],
  ['ImagePull', 'ImagePullBackOff', /Back-off pulling image/],
])('a VM with the fault %s waits as %s, and continues once it is gone', async (fault, status, words) => {
  const vm = await kubevirt.vm(name(), { runStrategy: 'Always', annotations: { [FAULT]: fault } });
  await isPrinted(vm, status);
  const messages = (await kubevirt.instance(vm))?.status.conditions?.map(({ message }) => message);
  expect(messages?.join()).toMatch(words);
  await kubevirt.annotate(vm, { [FAULT]: null });
  await isPrinted(vm, 'Running');
});

test('KUBEVIRT-STANDIN-3: on a lost node an instance stays as it is, also if it is deleted', async () => {
  const vm = await kubevirt.vm(name(), { runStrategy: 'Always', annotations: { [START_TIME]: '60' } });
  await isPrinted(vm, 'Running');
  const { nodeName } = (await kubevirt.instance(vm))?.status ?? {};
  await kubevirt.node(nodeName as 'node-a', 'Unknown');
  await until(async () =>
    (await kubevirt.instance(vm))?.status.conditions?.some(({ reason }) => reason === 'PodTerminating'),
  );
  await kubevirt.merge(vm, { spec: { runStrategy: 'Halted' } });
  await isPrinted(vm, 'Stopping');
  expect((await kubevirt.instance(vm))?.status.phase).toBe('Running');
  await kubevirt.node(nodeName as 'node-a', 'True');
  await isPrinted(vm, 'Stopped');
});

test('an action can be refused, and be out of reach', async () => {
  const vm = await kubevirt.vm(name(), { annotations: { [FAULT]: 'SubresourceUnavailable' } });
  await expect(kubevirt.act(vm, 'start')).rejects.toMatchObject({ code: 503 });
  await kubevirt.annotate(vm, { [FAULT]: 'SubresourceConflict' });
  await expect(kubevirt.act(vm, 'start')).rejects.toMatchObject({ code: 409 });
});
